"""Learning beside a living robot: catching up at the start, training what is owed, handing policies over in time."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.control.bundle_file import read_bundle
from robot_mbrl.durable import written_durably
from robot_mbrl.errors import BundleError, CheckpointError
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.repair import repair_folder
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.backlog import Backlog
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.prediction import draw, predict
from robot_mbrl.pairing import StepPairing
from robot_mbrl.steps import Action, Observation, Step, StepKey

REPORT_PERIOD_S = 1.0
"""How often metrics are due."""
_LEFT_OUT = "updates"
CHECKPOINT_SHARE = 0.1
"""Most of the time that may go into checkpoints: with a large replay they become rarer."""


class LiveLearner:
    """A `Learner` fed by the halves of steps as they arrive, with its exports and checkpoints on a schedule.

    Attributes:
        learner: what learns.
        paused: whether no updates are made; what is lived meanwhile owes none.
        unread: what is wrong with recorded files, by path: those not read at all, and those that have lost something.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        report: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        backlog: Backlog | None = None,
    ) -> None:
        """Go on where the run was left, or begin it.

        Args:
            config: the run.
            folder: the run's folder.
            report: told what was found, in sentences.
            clock: the time in seconds that exports and checkpoints are scheduled by; the robot's own in one process.
            backlog: tells which steps were lived while this learner was away: they are learned from, but owe no
                updates. None if there are none.

        Raises:
            CheckpointError: if the run's checkpoint is damaged or its weights mean something else in this run, or the
                first one cannot be written.
        """
        self.paused = False
        self.unread: dict[str, str] = {}
        self._faults: dict[str, str] = {}
        self._folder = folder
        self._report = report
        self._clock = clock
        self._pairing = StepPairing(tuple(config.observation_spec().images))
        self._backlog = backlog
        self.learner = self._begin(config)
        self._export_period_s = config.agent.export_period_s
        self._checkpoint_period_s = config.agent.checkpoint_period_s
        self._export_due_s, self._checkpoint_due_s = clock(), clock() + self._checkpoint_period_s
        # On steady time, whatever the clock is: how long checkpoints must rest after one that took long.
        self._rest_until_s = 0.0
        self._saved = (-1, -1)
        self._broken = False
        self._exported_updates = -1
        self._reported = (time.monotonic(), self.learner.updates)

    @property
    def fault(self) -> str:
        """What keeps the newest weights from checkpoints or robots, to be tried again; empty if nothing does."""
        return "; ".join(self._faults.values())

    @property
    def busy(self) -> bool:
        """Whether there is an update to make now."""
        return not self.paused and self.learner.prefilled and self.learner.owed > 0

    def add_observation(self, observation: Observation) -> None:
        """Take an observation, without its pictures."""
        self._take(self._pairing.add_observation(observation))

    def add_action(self, action: Action) -> None:
        """Take an applied action."""
        self._take(self._pairing.add_action(action))

    def add_image(self, camera: str, key: StepKey, picture: np.ndarray) -> None:
        """Take a picture that belongs to an observation."""
        self._take(self._pairing.add_image(camera, key, picture))

    def receive(self, step: Step) -> None:
        """Take a whole step.

        Raises:
            ExperienceError: if it lacks something that the run observes.
        """
        missed = self._backlog is not None and self._backlog.includes(step.observation.key)
        self.learner.receive(step, owes=not self.paused and not missed)

    def work(self, now_s: float) -> bytes | None:
        """Make one update if one is owed, and a checkpoint if it is time.

        Args:
            now_s: the time, on the clock.

        Returns:
            A bundle to hand over, written to the run's folder as well; None if it is not time or nothing is new.
        """
        if self.busy:
            self.learner.update()
        if now_s >= self._checkpoint_due_s and time.monotonic() >= self._rest_until_s:
            self.save()
        if now_s >= self._export_due_s and self.learner.updates not in (0, self._exported_updates):
            self._export_due_s = now_s + self._export_period_s
            if self._updates_count():
                self._exported_updates = self.learner.updates
                return self._export()
        return None

    def metrics(self) -> dict[str, float]:
        """The learner's metrics since the last call, what became of the steps, and the rate of updates."""
        self._updates_count()
        then_s, then_updates = self._reported
        self._reported = (time.monotonic(), self.learner.updates)
        rate = (self.learner.updates - then_updates) / max(1e-9, self._reported[0] - then_s)
        refused = self.learner.replay.refused
        return self.learner.metrics() | {
            "updates_per_s": rate,
            "half_steps": float(self._pairing.half_pairs),
            "repeated_steps": float(refused["repeat"] + refused["late"]),
            "not_finite_steps": float(refused["not_finite"]),
            "paused": float(self.paused),
        }

    def draw_prediction(self) -> np.ndarray:
        """A picture of what the model expects, uint8, shape (height, width, 3); another one after each update.

        Raises:
            ExperienceError: if no episode is long enough yet.
        """
        return draw(predict(self.learner, seed=self.learner.updates))

    def save(self) -> None:
        """Write a checkpoint now, if there is anything new; `fault` says why it could not be written."""
        self._checkpoint_due_s = self._clock() + self._checkpoint_period_s
        # Not of steps that a robot at rest lives, which nothing is learned from.
        present = (self.learner.updates, self.learner.replay.total)
        if present == self._saved or self._broken:
            return
        if not self.learner.sound:
            self._break_down("a weight is not finite: learning has broken down")
            return
        started_s = time.monotonic()
        try:
            self.learner.save()
        except CheckpointError as error:
            self._fail("checkpoint", str(error))
            return
        self._saved = present
        self._faults.pop("checkpoint", None)
        ended_s = time.monotonic()
        self._rest_until_s = ended_s + (ended_s - started_s) / CHECKPOINT_SHARE

    def _updates_count(self) -> bool:
        """Whether the newest updates changed the weights; what is not finite was left out, and is a fault."""
        left_out, made = self.learner.take_left_out()
        if left_out:
            known = _LEFT_OUT in self._faults
            sentence = (
                f"{left_out} of the newest {made} updates were left out, since their losses were not finite: no policy "
                f"is exported until they are again. Look for extreme rewards or observations, or lower agent.model_rate"
            )
            self._faults[_LEFT_OUT] = sentence
            if not known:
                self._report(sentence)
        elif made and self._faults.pop(_LEFT_OUT, ""):
            self._report("updates are finite again")
        return _LEFT_OUT not in self._faults

    def _begin(self, config: RunConfig) -> Learner:
        if checkpoint.exists(self._folder):
            learner = Learner.resume(config, self._folder)
            self._report(f"resumed run {learner.run_id} after {learner.robot_steps} steps, {learner.updates} updates")
        else:
            learner = Learner(config, self._folder)
            # The run keeps its identity from here on: robots refuse policies of another run.
            learner.save()
            self._report(f"began run {learner.run_id}")
        self._skip_versions(learner)
        learner.prepare_export()
        # Last, so that what is recorded while the rest is prepared is not missed.
        self._catch_up(learner)
        return learner

    def _skip_versions(self, learner: Learner) -> None:
        """Go on after the last version exported, which the checkpoint may not know: robots take newer ones only."""
        try:
            metadata = read_bundle(self._folder / "policy.onnx").metadata
        except BundleError:
            return
        if metadata.run_id == learner.run_id:
            learner.policy_version = max(learner.policy_version, metadata.version)

    def _catch_up(self, learner: Learner) -> None:
        """Learn from what the robot lived, and recorded, while no learner was there or its memory was lost."""
        bags = self._folder / "bags"
        for repair in repair_folder(bags):
            self._report(f"{repair.path} was not finished: repaired, {repair.lost_bytes} bytes lost")
        filling = fill_replay(learner.replay, bags, functools.partial(learner.receive, owes=False))
        self.unread = filling.unread
        for path, reason in filling.unread.items():
            self._report(f"{path}: {reason}")
        if filling.steps:
            self._report(f"caught up on {filling.steps} steps from {bags}")
        if filling.dropped:
            self._report(f"{filling.dropped} steps recorded in {bags} lack a part, and were left out")
        for reason, count in filling.malformed.items():
            self._report(f"{count} recorded messages or steps were left out: {reason}")

    def _take(self, step: Step | None) -> None:
        if step is not None:
            self.receive(step)

    def _export(self) -> bytes | None:
        try:
            bundle = self.learner.export()
        except BundleError as error:
            self._break_down(str(error))
            return None
        path = self._folder / "policy.onnx"
        try:
            with written_durably(path) as file:
                file.write(bundle)
        except OSError as error:
            self._fail("policy", f"{path}: cannot be written ({error.strerror}); make room there")
        else:
            self._faults.pop("policy", None)
        return bundle

    def _break_down(self, fault: str) -> None:
        """Keep the last checkpoint, the only one to go on from."""
        self._broken = True
        self._fail(
            "weights", f"{fault}; no checkpoint is written any more: restart the learner to go on from the last one"
        )

    def _fail(self, kind: str, fault: str) -> None:
        """Learning goes on without the disk; what is lost with this process is said."""
        self._faults[kind] = fault
        self._report(fault)
