"""Learning beside a living robot: catching up at the start, training what is owed, handing policies over in time."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ExperienceError
from robot_mbrl.imagined import Imagined
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.backlog import Backlog
from robot_mbrl.learning.catching_up import catch_up
from robot_mbrl.learning.checkpointing import Checkpointing
from robot_mbrl.learning.faults import Faults
from robot_mbrl.learning.handover import Handover
from robot_mbrl.learning.imagining import imagine
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.pictures import draw
from robot_mbrl.learning.prediction import predict
from robot_mbrl.learning.soundness import Soundness
from robot_mbrl.learning.verdicts import Verdicts
from robot_mbrl.pairing import StepPairing
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step, StepKey

REPORT_PERIOD_S = 1.0
"""How often metrics are due."""
NOW_S = 2.0
"""A step that came longer ago says nothing of where the robot is now; the slowest robots take one in half a second."""


class LiveLearner:
    """A `Learner` fed by the halves of steps as they arrive, with its exports and checkpoints on a schedule.

    Attributes:
        learner: what learns.
        paused: whether no updates are made; what is lived meanwhile owes none.
        verdicts: merges labels of steps that are stored by then.
        unread: what is wrong with recorded files, by path: those not read at all, and those that have lost something.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        report: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        backlog: Backlog | None = None,
        robots: int = 1,
    ) -> None:
        """Go on where the run was left, or begin it.

        Args:
            config: the run.
            folder: the run's folder.
            report: told what was found and what goes wrong, in sentences.
            clock: the time in seconds that exports and checkpoints are scheduled by; the robot's own in one process.
            backlog: tells which steps were lived while this learner was away: they are learned from, but owe no
                updates. None if there are none.
            robots: how many live at once and are learned from, each with an order of steps of its own.

        Raises:
            CheckpointError: if the run's checkpoint is damaged or its weights mean something else in this run, or the
                first one cannot be written.
        """
        self.paused = False
        self._pairings = [StepPairing(tuple(config.observation_spec().images)) for _ in range(robots)]
        self._backlog = backlog
        self._faults, self._cautions = Faults(report), Faults(report, once=True)
        self.learner = _begin(config, folder, report)
        self._handover = Handover(self.learner, folder / "policy.onnx", self._faults, clock())
        self.learner.prepare_export()
        # Last, so that what is recorded while the rest is prepared is not missed.
        self.unread = catch_up(self.learner, folder / "bags", report)
        self.verdicts = Verdicts(self.learner.replay, report, only_reward=config.task.reward == "feedback")
        self._checkpointing = Checkpointing(self.learner, self._faults, clock)
        self._soundness = Soundness(self.learner, self._faults, self._cautions)
        self._reported = (time.monotonic(), self.learner.updates)
        self._newest: int | None = None
        self._newest_s = 0.0

    @property
    def fault(self) -> str:
        """What keeps the newest weights from checkpoints or robots, to be tried again; empty if nothing does."""
        return str(self._faults)

    @property
    def caution(self) -> str:
        """What makes learning worse than it could be, by the newest metrics; empty if nothing does."""
        return str(self._cautions)

    @property
    def busy(self) -> bool:
        """Whether there is an update to make now."""
        return not self.paused and self.learner.prefilled and self.learner.owed > 0

    def add_observation(self, observation: Observation, robot: int = 0) -> None:
        """Take an observation of a robot, without its pictures."""
        self._take(self._pairings[robot].add_observation(observation), robot)

    def add_action(self, action: Action, robot: int = 0) -> None:
        """Take an applied action."""
        self._take(self._pairings[robot].add_action(action), robot)

    def add_image(self, camera: str, key: StepKey, picture: np.ndarray, robot: int = 0) -> None:
        """Take a picture that belongs to an observation."""
        self._take(self._pairings[robot].add_image(camera, key, picture), robot)

    def receive(self, step: Step, robot: int = 0) -> None:
        """Take a whole step.

        Args:
            step: lived by one of the robots, in order.
            robot: which.

        Raises:
            ExperienceError: if it lacks something that the run observes.
        """
        missed = self._backlog is not None and self._backlog.includes(step.observation.key, robot)
        before = self.learner.replay.total
        self.learner.receive(step, owes=not self.paused and not missed)
        if robot == 0:
            goes_on = step.action.source is not Source.STOP and not step.observation.is_last and not missed
            self._newest = before if goes_on and self.learner.replay.total > before else None
            self._newest_s = time.monotonic()

    def work(self, now_s: float) -> bytes | None:
        """Make one update if one is owed, and have a checkpoint written if it is time.

        Args:
            now_s: the time, on the clock.

        Returns:
            A bundle to hand over, written to the run's folder as well; None if it is not time or nothing is new.
        """
        if not self._checkpointing.busy:
            # What another thread is writing now stays as it is.
            self.verdicts.settle(time.monotonic())
        if self.busy:
            self.learner.update()
        self._checkpointing.save_if_due(now_s)
        if not self._handover.is_due(now_s):
            return None
        self._handover.postpone(now_s)
        return self._handover.export() if self._soundness.updates_count() else None

    def export(self) -> bytes | None:
        """The policy as it is, written to the run's folder, whatever the schedule says; None if it is worth nothing."""
        worth = self.learner.updates > 0 and self.learner.agent.ready and self._soundness.updates_count()
        return self._handover.export() if worth else None

    def metrics(self) -> dict[str, float]:
        """The learner's metrics since the last call, what became of the steps, and the rate of updates.

        Each keeps its place for the whole run; what no update since the last call told is repeated, NaN at first.
        """
        self._soundness.updates_count()
        then_s, then_updates = self._reported
        self._reported = (time.monotonic(), self.learner.updates)
        rate = (self.learner.updates - then_updates) / max(1e-9, self._reported[0] - then_s)
        replay, metrics = self.learner.replay, self.learner.metrics()
        self._soundness.judge(metrics)
        figures = {
            **metrics,
            **replay.figures,
            "updates_per_s": rate,
            "half_steps": float(sum(pairing.half_pairs for pairing in self._pairings)),
            "repeated_steps": float(replay.refused["repeat"] + replay.refused["late"]),
            "not_finite_steps": float(replay.refused["not_finite"]),
            **{f"not_finite.{field}": float(count) for field, count in replay.not_finite.items()},
            "paused": float(self.paused),
        }
        return self.learner.places.update(figures)

    def draw_prediction(self) -> np.ndarray:
        """A picture of what the model expects, uint8, shape (height, width, 3); another one after each update.

        Raises:
            ExperienceError: if no episode is long enough yet, or the agent foresees nothing.
        """
        return draw(predict(self.learner, seed=self.learner.updates))

    def imagine(self) -> Imagined:
        """What the model expects of the next second, as its policy would go on, of the first robot.

        Raises:
            ExperienceError: if the robot stands or is silent, or nothing can be expected yet.
        """
        if self._newest is None or time.monotonic() - self._newest_s > NOW_S:
            raise ExperienceError("the robot does not move, or its steps do not arrive")
        return imagine(self.learner, self._newest)

    def save(self) -> None:
        """Write a checkpoint now, if there is anything new; `fault` says why it could not be written."""
        self._checkpointing.save()

    def _take(self, step: Step | None, robot: int) -> None:
        if step is not None:
            self.receive(step, robot)


def _begin(config: RunConfig, folder: Path, report: Callable[[str], object]) -> Learner:
    if checkpoint.exists(folder):
        learner = Learner.resume(config, folder)
        report(f"resumed run {learner.run_id} after {learner.robot_steps} steps, {learner.updates} updates")
    else:
        learner = Learner(config, folder)
        # The run keeps its identity from here on: robots refuse policies of another run.
        learner.save()
        report(f"began run {learner.run_id}")
    return learner
