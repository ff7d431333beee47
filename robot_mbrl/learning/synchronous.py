"""Learning in one process: the robot waits for the learner, so a run is reproducible and as fast as the machine.

The same classes as over the ROS graph, called in turn: robot, policy runner with the exported bundle, recorder and
learner.
"""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.policy_runner import PolicyRunner
from robot_mbrl.control.start_policies import RandomPolicy
from robot_mbrl.errors import BundleError
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.live import REPORT_PERIOD_S, LiveLearner
from robot_mbrl.runs.episodes import EpisodeTally
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import Kind
from robot_mbrl.steps import Action, Observation, Step

Report = tuple[Kind, dict[str, object]]
"""What a line of metrics is about, and its values."""


class Robot(Protocol):
    """A robot that waits, such as `sim.in_process.InProcessRobot`."""

    def observe(self) -> Observation:
        """The present observation; the same until `apply` is called."""

    def apply(self, action: Action | None) -> Action:
        """Live through one step with this requested action; returns what was applied."""


class SynchronousTraining:
    """One robot and one learner, taking turns."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        robot: Robot,
        report: Callable[[str], object] = lambda _: None,
        between_updates: Callable[[], bool] = lambda: False,
    ) -> None:
        """Go on with the run in the folder, or begin it.

        Args:
            config: the run.
            folder: its folder.
            robot: what lives.
            report: told what was found and what went wrong, in sentences.
            between_updates: called while more are due at a step, which may be all that a run shall make; returns
                whether to leave them for later.
        """
        self._config = config
        self._between_updates = between_updates
        self._robot = robot
        self._steps = 0
        self._report = report
        self._live = LiveLearner(config, folder.path, report=report, clock=lambda: self._steps * config.step_s)
        self._recorder = StepWriter(folder.bags, config.action_spec(), config.robot.name)
        self._tallies = {task.name: EpisodeTally(task.episode_steps) for task in config.tasks}
        self._runner = PolicyRunner(config, RandomPolicy.for_run(config, config.agent.prefill_steps), grace_s=0.0)
        self._report_every = max(1, round(REPORT_PERIOD_S / config.step_s))
        if self.learner.updates and self.learner.agent.ready:
            self._take_over(self.learner.export())

    @property
    def learner(self) -> Learner:
        """What learns."""
        return self._live.learner

    def run(self, steps: int) -> Iterator[list[Report]]:
        """Live and learn for a number of steps; yields after each what there is to report, mostly nothing."""
        for _ in range(steps):
            yield self._step()

    def close(self) -> None:
        """Finish the recording and write a last checkpoint."""
        try:
            self._recorder.close()
        finally:
            self._live.save()

    def _step(self) -> list[Report]:
        observation = self._robot.observe()
        now_s = self._steps * self._config.step_s
        self._runner.observed(observation, now_s)
        applied = self._robot.apply(self._runner.requested_action(now_s))
        self._runner.applied(applied)
        step = Step(observation, applied)
        self._recorder.write(step)
        self._live.receive(step)
        self._steps += 1
        self._learn()
        return self._reports(step)

    def _learn(self) -> None:
        """Make the updates this step owes, and hand a policy over if it is time."""
        saved_s = time.monotonic()
        while True:
            if (bundle := self._live.work(self._steps * self._config.step_s)) is not None:
                self._take_over(bundle)
            if not self._live.busy or self._between_updates():
                return
            # The robot's time stands still meanwhile, but whoever loses hours of updates loses them in ours.
            if time.monotonic() - saved_s > self._config.agent.checkpoint_period_s:
                self._live.save()
                saved_s = time.monotonic()

    def _take_over(self, bundle: bytes) -> None:
        name = f"version {self.learner.policy_version}"
        try:
            self._runner.take_over(check_bundle(Bundle(bundle, name), self._config))
        except BundleError as error:
            # As on the graph: the robot goes on with the policy it has, and the next one may be better.
            self._report(f"refused: {error}")

    def _reports(self, step: Step) -> list[Report]:
        reports: list[Report] = []
        counters = {"robot_steps": self.learner.robot_steps, "missed_steps": 0}
        task = self._config.task_of(step.observation.values).name
        which = {"task": task} if self._config.members else {}
        if (result := self._tallies[task].take(step)) is not None:
            reports.append(("episode", {**result.as_metrics(), **counters, **which}))
        if self._steps % self._report_every == 0:
            reports.append(("learner", dict(self._live.metrics())))
        return reports
