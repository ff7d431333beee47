"""Labels of steps that are stored already, merged into the replay as if they had come in time."""

from collections.abc import Callable, Sequence

from robot_mbrl.experience.replay import Replay
from robot_mbrl.labels import LateLabels

WAIT_S = 2.0
"""How long a label waits for its step: observation, applied action and pictures travel by themselves."""


def merge(replays: Sequence[Replay], late: LateLabels, *, only_reward: bool) -> str:
    """Merge labels into the newest step at or before their stamp.

    Args:
        replays: one of them may have the step.
        late: the labels.
        only_reward: whether labels are the task's only reward.

    Returns:
        Why nothing came of it; empty if something did, or if they were merged before.
    """
    found = [(place[1], place[0], replay) for replay in replays if (place := replay.find(late.key)) is not None]
    if not found:
        session = f" of session {late.key.session}" if late.key.session else ""
        return f"no step{session} at or before {late.key.stamp_ns / 1e9:.3f} s is replayed"
    _, row, replay = max(found, key=lambda each: each[0])
    replay.correct(row, late, late.labels.earned(only_reward=only_reward))
    return ""


class Verdicts:
    """Labels that came over the network, held until their step is there.

    Attributes:
        merged: how many were merged.
        lost: how many there was no step for.
    """

    def __init__(self, replay: Replay, report: Callable[[str], object], *, only_reward: bool) -> None:
        """Wait for labels.

        Args:
            replay: what they are merged into.
            report: told what there was no step for, in sentences.
            only_reward: whether labels are the task's only reward.
        """
        self.merged = self.lost = 0
        self._replay, self._report, self._only_reward = replay, report, only_reward
        self._waiting: list[tuple[float, LateLabels]] = []

    def add(self, late: LateLabels, now_s: float) -> None:
        """Take labels of a step that is stored, or will be in a moment."""
        self._waiting.append((now_s, late))

    def settle(self, now_s: float) -> None:
        """Merge those whose step is there, and give up those that have waited in vain."""
        waiting, self._waiting = self._waiting, []
        for since_s, late in waiting:
            if now_s - since_s < WAIT_S and not self._is_past(late):
                self._waiting.append((since_s, late))
            elif reason := merge([self._replay], late, only_reward=self._only_reward):
                self.lost += 1
                self._report(f"a label is left out: {reason}")
            else:
                self.merged += 1

    def _is_past(self, late: LateLabels) -> bool:
        """Whether every step up to the stamp is there."""
        sessions = [late.key.session] if late.key.session else self._replay.sessions[-1:]
        newest = [self._replay.newest_ns(session) for session in sessions]
        return any(stamp_ns is not None and stamp_ns >= late.key.stamp_ns for stamp_ns in newest)
