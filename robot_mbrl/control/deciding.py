"""Which action was applied at each step: the policy's, a person's, the one before if none came, or that of a stop."""

import math

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.awaited import AwaitedAction
from robot_mbrl.control.pipeline import CommandPipeline
from robot_mbrl.control.stops import Reason
from robot_mbrl.control.takeover import Holding, Takeover
from robot_mbrl.control.watch import Watch
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey

LOCKSTEP_DEADLINE_S = 10.0
"""How long a simulation in lockstep waits for an action: as long as a policy may take to load."""
CLIP_TOLERANCE = 1e-5
"""What float32 may add to an action at its bound."""


class Decisions:
    """Gives every observation exactly one applied action; used by the guard alone.

    Call order: `observe`, and the awaited action's `receive`, as they arrive, and after each of them, as time passes,
    `settle`; `take` what was decided.

    Attributes:
        steps: observations decided on so far; `late` and `stops`: how many of them late, and how many stopped.
        acting: whether the newest applied action is to be carried out.
        held: the newest applied action.
        applied_s: when it was decided.
        awaited: the present observation, and the action that its policy requests.
        takeover: the person who may answer in its place.
    """

    def __init__(
        self, robot: RobotConfig, step_s: float, pipeline: CommandPipeline, watch: Watch, *, lockstep: bool
    ) -> None:
        """Begin without an observation; see `Guard`."""
        self.steps, self.late, self.stops = 0, 0, 0
        self._spec = robot.action_spec()
        self._pipeline, self._watch, self._machine = pipeline, watch, watch.machine
        self._lockstep = lockstep
        self._deadline_s = LOCKSTEP_DEADLINE_S if lockstep else robot.guard.action_deadline_s
        self.awaited = AwaitedAction(self._spec, watch)
        self.takeover = Takeover(self._spec, step_s)
        self.held = Action(StepKey("", 0), self._spec.null(), Source.STOP)
        self.acting = False
        self.applied_s = -math.inf
        self._decided: list[Action] = []
        self._lost = ""

    @property
    def deadline_s(self) -> float:
        """When the present observation is decided on at the latest; infinite if it is."""
        return self._watch.observed_s + self._deadline_s if self.awaited.open else math.inf

    def take(self) -> tuple[Action, ...]:
        """The applied actions that were decided since the last call, in their order."""
        decided, self._decided = tuple(self._decided), []
        return decided

    def observe(self, key: StepKey, age_s: float, *, is_last: bool) -> bool:
        """Begin a step with its observation; see `Guard.observe`."""
        if not self.awaited.is_news(key):
            return False
        if self.awaited.open:
            self._miss()
        self.awaited.observe(key)
        watch = self._watch
        watch.observed(key.session, 0.0 if self._lockstep else age_s, is_last=is_last)
        watch.look(watch.now_s)
        if is_last:
            source = Source.STOP if self._machine.reason else Source.POLICY
            self._decide(Action(key, self._spec.null(), source), acting=False)
        self.settle()
        return True

    def settle(self) -> None:
        """Decide on the present observation if its action is there, or has not come in time."""
        awaited = self.awaited
        if not awaited.open or awaited.key is None:
            return
        if self.takeover.state is Holding.HELD:
            self._answer_by_person(awaited.key)
        elif (requested := awaited.take()) is not None:
            self._answer(requested)
        elif self._watch.now_s >= self.deadline_s:
            self._miss()

    def follow_person(self) -> None:
        """Let time pass for the person, and stop where one who has taken over is lost."""
        watch = self._watch
        self.takeover.look(watch.now_s)
        lost = self.takeover.trouble
        if lost != self._lost:
            self._lost = lost
            watch.note(Reason.TAKEOVER_LOST, lost)
            watch.look(watch.now_s)

    def stop(self) -> None:
        """Answer the present observation, if it awaits its action, by a stop."""
        if self.awaited.open:
            self._stop()

    def heed_stop(self) -> None:
        """Carry out the newest applied action no longer, once anything stops the robot."""
        if self.acting and self._machine.reason is not None:
            self.acting, self._pipeline.due = False, True

    def _answer(self, requested: Action) -> None:
        self._watch.timely()
        if self._machine.reason is not None:
            self._stop()
            return
        values = np.clip(requested.values, -1.0, 1.0).astype(np.float32)
        if np.abs(requested.values - values).max() > CLIP_TOLERANCE:
            self._machine.count(Reason.CLIPPED)
        self._decide(Action(requested.key, values, requested.source, requested.policy_version), acting=True)

    def _answer_by_person(self, key: StepKey) -> None:
        """Answer by the person's action; the policy's, if it has come, counts for nothing."""
        self.awaited.take()
        self._watch.timely()
        if self._machine.reason is not None:
            self._stop()
            return
        if not self.acting:
            self.takeover.resume(self._watch.now_s)
        values = self.takeover.action(self._values_before(), self._watch.now_s)
        self._decide(Action(key, values, Source.TELEOP), acting=True)

    def _miss(self) -> None:
        self._machine.missed()
        if self._lockstep:
            self._machine.trouble(Reason.NO_ACTION)
        if self._machine.reason is not None or self.awaited.key is None:
            self._stop()
            return
        self.late += 1
        self._machine.count(Reason.LATE)
        late = Action(self.awaited.key, self._values_before(), Source.LATE, self.held.policy_version)
        self._decide(late, acting=self.acting)

    def _values_before(self) -> np.ndarray:
        """Of the action that is carried out, or what the robot rests at."""
        return self.held.values if self.acting else self._pipeline.stop_values()

    def _stop(self) -> None:
        if self.awaited.key is not None:
            self.stops += 1
            self._decide(Action(self.awaited.key, self._pipeline.stop_values(), Source.STOP), acting=False)

    def _decide(self, action: Action, *, acting: bool) -> None:
        """Fix the one applied action of the present observation."""
        self.awaited.close(by_person=action.source is Source.TELEOP)
        self.steps += 1
        self._decided.append(action)
        self.held, self.acting, self.applied_s = action, acting, self._watch.now_s
        self._pipeline.due = True
        for limit in self._pipeline.take_limits():
            self._machine.count(Reason(limit))
