"""Episodes: when one begins and ends, what each arrival is worth, and the observations that tell of it."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum

from robot_mbrl.config import TaskConfig
from robot_mbrl.control.observing import Sensed
from robot_mbrl.errors import ConfigError
from robot_mbrl.labels import read_labels
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, StepKey
from robot_mbrl.tasks import computed_by
from robot_mbrl.tasks.task import Judgement, Task


def new_session() -> str:
    """A session's id, unique and readable: when it began (UTC) and something random."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class Phase(Enum):
    """State of an episode."""

    RESETTING = "resetting"
    """Between two episodes: the robot is being brought to a start, and nothing is observed."""
    READY = "ready"
    """The reset is over; the next readings that are newer begin the episode."""
    RUNNING = "running"
    """Every tick of the task's action repeat yields an observation."""


class Event(Enum):
    """What leads from one state to another."""

    RESET_DONE = "the robot is at a start, or the task has no reset"
    READINGS_NEWER = "all readings are newer than the reset"
    TERMINAL = "the task judges this place as terminal"
    FAILURE = "a person has labelled a failure"
    ENDED = "a person has ended the episode"
    STOPPED = "the guard has stopped a robot that moved"
    STEPS_DONE = "the episode is as long as the task says"


TRANSITIONS: dict[tuple[Phase, Event], Phase] = {
    (Phase.RESETTING, Event.RESET_DONE): Phase.READY,
    (Phase.READY, Event.READINGS_NEWER): Phase.RUNNING,
    (Phase.RUNNING, Event.TERMINAL): Phase.RESETTING,
    (Phase.RUNNING, Event.FAILURE): Phase.RESETTING,
    (Phase.RUNNING, Event.ENDED): Phase.RESETTING,
    (Phase.RUNNING, Event.STOPPED): Phase.RESETTING,
    (Phase.RUNNING, Event.STEPS_DONE): Phase.RESETTING,
}
"""What is not here changes nothing."""
INITIAL = Phase.RESETTING
TERMINAL = frozenset({Event.TERMINAL, Event.FAILURE})
"""What ends an episode so that nothing of value comes after; the others only cut it."""


class Episodes:
    """Turns what is sensed at the ticks of the control rate into judged observations.

    Call order: while `phase` is RESETTING, carry out the task's reset, then call `reset_done`. At every tick call
    `advance` with what was sensed, in every phase, and publish the observation if it returns one. Between ticks, in any
    order: `applied` for each applied action, `feedback` for each human label.

    An episode is `task.episode_steps` actions long, and so has one observation more. Its first observation carries no
    reward, since nothing was done yet; the reward of any other was earned on arriving at it.
    """

    def __init__(self, config: TaskConfig, task: Task, session: str, *, evaluate: bool = False) -> None:
        """Begin before the first episode, which a reset precedes unless the task has none.

        Args:
            config: the task's settings.
            task: what judges.
            session: the session that the observations belong to.
            evaluate: whether every episode is lived in evaluate mode; may be set later, for episodes to come.
        """
        self.evaluate = evaluate
        self.phase = INITIAL
        self.started = 0
        """Episodes begun so far."""
        self.mode = Mode.EXPLORE
        """Mode of the present episode."""
        self._config = config
        self._task = task
        self._computed = [name for group in computed_by(type(task)).values() for name in group.names]
        self._session = session
        self._ready_since_s = float("-inf")
        self._stamp_ns = 0
        self._first_stamp_ns = 0
        self._last_stamp_ns = -1
        self._actions = 0
        self._ticks = 0
        self._reward = 0.0
        self._label_success = False
        # What ends the episode at its next observation.
        self._ending: set[Event] = set()
        self._stopped = True
        self._skip_needless_reset()

    def reset_done(self, time_s: float) -> None:
        """Note that the robot is at a start; the episode begins with readings that are all newer than `time_s`."""
        if self._on(Event.RESET_DONE):
            self._ready_since_s = time_s

    def applied(self, action: Action) -> None:
        """Note what was applied: a robot that the guard has stopped ends its episode at the next observation.

        Only the beginning of a stop does; while it lasts, the episode goes on with stopped steps, since a reset for
        each of them would help nobody.
        """
        key = action.key
        if key.session != self._session or key.stamp_ns == self._last_stamp_ns:
            return
        stopped = action.source is Source.STOP
        if stopped and not self._stopped and self.phase is Phase.RUNNING and key.stamp_ns >= self._first_stamp_ns:
            self._ending.add(Event.STOPPED)
        self._stopped = stopped

    def feedback(self, labels: Mapping[str, float]) -> None:
        """Merge a person's labels into the next step.

        Args:
            labels: `reward`, added to the task's own; `success`, above zero the goal holds here; `failure`, above zero
                the episode ends here as terminal; `end`, above zero it ends here and goes on unseen. Others are
                refused.

        Raises:
            MessageError: if a label is unknown or not finite, or they contradict one another.
        """
        said = read_labels(labels)
        if self.phase is not Phase.RUNNING:
            return
        self._reward += said.earned(only_reward=self._config.reward == "feedback")
        self._label_success |= said.success
        if said.failure:
            self._ending.add(Event.FAILURE)
        if said.end:
            self._ending.add(Event.ENDED)

    def end_late(self, labels: Mapping[str, float], stamp_ns: int) -> None:
        """End the present episode where labels of one of its steps end it; whoever stores that step merges them.

        Args:
            labels: as for `feedback`.
            stamp_ns: of the step.

        Raises:
            MessageError: as `feedback`.
        """
        if read_labels(labels).ends and self.phase is Phase.RUNNING and stamp_ns >= self._first_stamp_ns:
            self._ending.add(Event.ENDED)

    def advance(self, stamp_ns: int, sensed: Sensed) -> Observation | None:
        """Live through one tick of the control rate.

        Args:
            stamp_ns: the tick's stamp, larger than that of any tick before.
            sensed: what was measured by then.

        Returns:
            The observation to publish; None while resetting, before readings newer than the reset have come, and at
            ticks that an action is repeated over.
        """
        if stamp_ns <= self._stamp_ns:
            raise ValueError(f"stamp {stamp_ns} does not come after {self._stamp_ns}")
        self._stamp_ns = stamp_ns
        if self.phase is Phase.RUNNING:
            return self._go_on(sensed)
        if sensed.oldest_s > self._ready_since_s and self._on(Event.READINGS_NEWER):
            return self._begin(sensed)
        return None

    def _on(self, event: Event) -> bool:
        """Change the state as `TRANSITIONS` says; returns whether it says anything."""
        following = TRANSITIONS.get((self.phase, event))
        if following is not None:
            self.phase = following
        return following is not None

    def _begin(self, sensed: Sensed) -> Observation:
        self.started += 1
        every = self._config.evaluate_every
        due = every > 0 and self.started % every == 0
        self.mode = Mode.EVALUATE if self.evaluate or due else Mode.EXPLORE
        self._first_stamp_ns = self._stamp_ns
        self._actions = 0
        # A stop that goes on from before, or ends with this episode's first actions, is no beginning of one.
        self._stopped = True
        self._forget()
        self._task.reset()
        return self._observation(sensed, self._judge(sensed), is_first=True)

    def _go_on(self, sensed: Sensed) -> Observation | None:
        judgement = self._judge(sensed)
        self._reward += judgement.reward
        self._ticks += 1
        if self._ticks < self._config.action_repeat and not self._ending:
            return None
        self._actions += 1
        if self._actions >= self._config.episode_steps:
            self._ending.add(Event.STEPS_DONE)
        return self._observation(sensed, judgement, is_first=False)

    def _judge(self, sensed: Sensed) -> Judgement:
        judgement = self._task.judge(sensed.values)
        unknown = [name for name in self._computed if not math.isfinite(judgement.values.get(name, math.nan))]
        if unknown:
            raise ConfigError(
                f"task {self._config.task!r} says that it computes {unknown}, but its judgement has no finite value of "
                f"them: mend the class, or what it says that it computes"
            )
        if judgement.is_terminal:
            self._ending.add(Event.TERMINAL)
        return replace(judgement, reward=0.0) if self._config.reward == "feedback" else judgement

    def _observation(self, sensed: Sensed, judgement: Judgement, *, is_first: bool) -> Observation:
        is_last = any(self._on(event) for event in self._ending)
        observation = Observation(
            key=StepKey(self._session, self._stamp_ns),
            values=sensed.values | {name: float(judgement.values[name]) for name in self._computed},
            images=sensed.images,
            reward=self._reward,
            is_first=is_first,
            is_last=is_last,
            is_terminal=not self._ending.isdisjoint(TERMINAL),
            mode=self.mode,
            success=judgement.success or self._label_success,
            ages_s=sensed.ages_s,
        )
        self._forget()
        if is_last:
            self._last_stamp_ns = self._stamp_ns
            self._skip_needless_reset()
        return observation

    def _skip_needless_reset(self) -> None:
        if self._config.reset == "none":
            self.reset_done(float("-inf"))

    def _forget(self) -> None:
        """Forget what counts for one observation only."""
        self._ticks = 0
        self._reward = 0.0
        self._label_success = False
        self._ending.clear()
