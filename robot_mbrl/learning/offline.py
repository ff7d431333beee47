"""Learning from recordings alone: while the robot sleeps, or with another agent or settings than those that drove."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.replay import Replay
from robot_mbrl.learning.held_out import held_out_loss
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.live import REPORT_PERIOD_S, LiveLearner
from robot_mbrl.learning.recordings import read_recordings
from robot_mbrl.learning.verdicts import merge
from robot_mbrl.runs.folder import RunFolder

JUDGEMENTS = 20
"""How often the held-out loss is measured in all."""


class OfflineTraining:
    """A learner without a robot; its run can be gone on with by either, in the same folder.

    Attributes:
        recorded: steps learned from and held out, and how many of the first were new to the run.
    """

    def __init__(
        self, config: RunConfig, folder: RunFolder, sources: Sequence[Path], report: Callable[[str], object]
    ) -> None:
        """Read the recordings, and go on with the run in the folder, or begin it.

        Args:
            config: the run.
            folder: its folder.
            sources: see `read_recordings`.
            report: told what was found and what goes wrong, in sentences.

        Raises:
            ConfigError: if a source is not there, or means something else.
            ExperienceError: if there is too little to learn from.
        """
        self._live = LiveLearner(config, folder.path, report)
        # Nothing is lived, so nothing is owed: updates are made by number.
        self._live.paused = True
        learner = self.learner
        self._held_out = Replay(
            config.observation_spec(),
            config.action_spec(),
            config.agent.replay_capacity,
            learner.agent.remembers,
            step_ns=learner.step_ns,
        )
        replays, only_reward = [learner.replay, self._held_out], config.task.reward == "feedback"
        self.recorded = read_recordings(
            sources,
            config,
            lambda step: learner.receive(step, owes=False),
            self._held_out,
            report,
            lambda late: merge(replays, late, only_reward=only_reward),
        )
        if not learner.prefilled:
            raise ExperienceError(
                f"{len(learner.replay)} recorded steps are too few to learn from: agent.prefill_steps asks for "
                f"{config.agent.prefill_steps}, and an update for some more than it reads; give more recordings, or "
                f"lower it with --set in a new run"
            )
        self._reported_s = time.monotonic()

    @property
    def learner(self) -> Learner:
        """What learns."""
        return self._live.learner

    def judge(self) -> dict[str, float]:
        """The held-out loss now; {} if nothing was held out, or the agent foresees nothing."""
        return held_out_loss(self.learner.agent, self._held_out, self.learner.device)

    def run(self, updates: int) -> Iterator[dict[str, float]]:
        """Learn until the run has so many updates in all; yields after each what there is to report, mostly nothing."""
        every = max(1, updates // JUDGEMENTS)
        while self.learner.updates < updates:
            self.learner.update()
            self._live.work(time.monotonic())
            done = self.learner.updates
            yield self._report(judge=done % every == 0 or done == updates)

    def close(self) -> None:
        """Export the policy, and write a last checkpoint."""
        self._live.export()
        self._live.save()

    def _report(self, *, judge: bool) -> dict[str, float]:
        now_s = time.monotonic()
        if not judge and now_s - self._reported_s < REPORT_PERIOD_S:
            return {}
        self._reported_s = now_s
        return self._live.metrics() | (self.judge() if judge else {})
