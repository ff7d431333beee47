"""Steps from what was sensed and commanded: joined, judged and cut into episodes, an unbroken stretch at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.control.episodes import Episodes, Phase
from robot_mbrl.control.observing import Sensed
from robot_mbrl.imports.commanded import Commanded
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step
from robot_mbrl.tasks import make_task

NO_COMMAND = "no command"
ALONE = "alone"
"""Why steps are dropped, as reports name it: nothing was commanded in it; nothing comes before or after it."""


class Stretches:
    """Makes steps of the ticks of a recording.

    Call order: `sense` at each tick, with what was sensed; `cut` where something is missing; `cut` at the end.

    Attributes:
        episodes: those begun and kept.
        dropped: ticks that no step came of, by reason.
    """

    def __init__(self, config: RunConfig, session: str, commanded: Commanded) -> None:
        """Begin before the first tick.

        Args:
            config: the run, whose task judges.
            session: what the steps belong to.
            commanded: tells the actions.
        """
        self.episodes = 0
        self.dropped: Counter[str] = Counter()
        # Nobody judged a policy while this was recorded.
        self._task = config.task.model_copy(update={"evaluate_every": 0})
        self._spec = config.action_spec()
        self._session, self._commanded = session, commanded
        self._waiting: Observation | None = None
        self._since_s = 0.0
        self._episodes = self._begun()

    def sense(self, stamp_ns: int, sensed: Sensed) -> Iterator[Step]:
        """The steps that become whole by what was sensed at a tick."""
        observation = self._episodes.advance(stamp_ns, sensed)
        if observation is None:
            return
        if self._waiting is not None:
            action = self._commanded.action(self._since_s, sensed.time_s)
            if action is not None:
                yield self._step(self._waiting, action)
            else:
                yield from self.cut(NO_COMMAND, missed=0)
                observation = self._episodes.advance(stamp_ns, sensed)
        self._waiting, self._since_s = observation, sensed.time_s
        if observation is not None and observation.is_last:
            yield from self._end(ALONE)

    def label(self, labels: dict[str, float]) -> None:
        """Merge a person's recorded labels into the next step.

        Raises:
            MessageError: if they mean nothing.
        """
        self._episodes.feedback(labels)

    def cut(self, reason: str, missed: int = 1) -> Iterator[Step]:
        """End the stretch: its newest observation is the last of its episode, which goes on unseen.

        Args:
            reason: why no step comes of what follows.
            missed: how many ticks that are.
        """
        self.dropped[reason] += missed
        if self._waiting is not None:
            self._waiting = replace(self._waiting, is_last=True)
            yield from self._end(reason)
        self._episodes = self._begun()

    def _begun(self) -> Episodes:
        """Episodes anew, the first of which begins at the next tick."""
        episodes = Episodes(self._task, make_task(self._task.task), self._session)
        _ready(episodes)
        return episodes

    def _end(self, reason: str) -> Iterator[Step]:
        """Give the observation that waits as its episode's last, on which nothing was done."""
        last, self._waiting = self._waiting, None
        assert last is not None
        if last.is_first:
            self.dropped[reason] += 1
        else:
            yield self._step(last, self._spec.null())
        _ready(self._episodes)

    def _step(self, observation: Observation, values: np.ndarray) -> Step:
        self.episodes += observation.is_first
        return Step(observation, Action(observation.key, values, Source.TELEOP))


def _ready(episodes: Episodes) -> None:
    """Nobody recorded when the robot was reset: an episode begins where the one before ends."""
    if episodes.phase is Phase.RESETTING:
        episodes.reset_done(float("-inf"))
