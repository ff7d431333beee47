"""Telling two publishers that report the same joint from one, by the sequence numbers of their messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field

WINDOW_S = 5.0
"""For how long a publisher that has fallen silent is remembered, and a contradiction is named after the last one."""
RETURNS = 2
"""How often messages must go back to a publisher that was there before: once may be the chance of a quick restart."""


@dataclass(slots=True)
class _Writer:
    """One run of sequence numbers: what a single publisher would have sent."""

    number: int
    heard_s: float


@dataclass(slots=True)
class _Joint:
    """The publishers that a joint's readings seem to come from, the newest heard last."""

    writers: list[_Writer] = field(default_factory=list)
    returned_s: list[float] = field(default_factory=list)
    """When the last messages came that can be of an earlier publisher, but not of the one heard before."""


class WriterWatch:
    """Notices that a joint is reported by more than one living publisher of a topic.

    DDS numbers each publisher's messages, and delivers them in order. Numbers that only grow are one publisher's, also
    where messages were lost; numbers that begin anew are a restarted one's. Only where messages go back and forth
    between two runs of numbers, both publishers live. Joints are looked at one by one: an arm and its gripper may share
    a topic.
    """

    def __init__(self) -> None:
        """Begin with no publisher known."""
        self._joints: dict[str, _Joint] = {}

    def note(self, names: Iterable[str], number: int | None, now_s: float) -> None:
        """Take in a message.

        Args:
            names: the joints it reports.
            number: its `publication_sequence_number`; None where the middleware tells none: nothing is noticed then.
            now_s: when it came, on steady time.
        """
        if number is None:
            return
        for name in names:
            joint = self._joints.get(name)
            if joint is None:
                joint = self._joints[name] = _Joint()
            _assign(joint, number, now_s)

    def contradicted(self, now_s: float) -> tuple[str, ...]:
        """The joints that more than one living publisher reports, in the order in which they were first heard of."""
        names = []
        for name, joint in self._joints.items():
            recent = [at_s for at_s in joint.returned_s if now_s - at_s <= WINDOW_S]
            if len(recent) >= RETURNS:
                names.append(name)
        return tuple(names)


def _assign(joint: _Joint, number: int, now_s: float) -> None:
    """Give a message to the publisher that it continues best, or to a new one."""
    writers = joint.writers
    if len(writers) == 1 and number > writers[0].number:
        writers[0].number, writers[0].heard_s = number, now_s
        return
    if len(writers) > 1:
        writers[:] = [writer for writer in writers if now_s - writer.heard_s <= WINDOW_S]
    # Of two that it continues equally well, the one heard last: a restarted publisher that has come as far as it had
    # come before continues itself.
    continued = min(
        (writer for writer in reversed(writers) if number > writer.number),
        key=lambda writer: number - writer.number,
        default=None,
    )
    if continued is None:
        writers.append(_Writer(number, now_s))
        return
    if continued is not writers[-1]:
        if number <= writers[-1].number:
            joint.returned_s = [*joint.returned_s[1 - RETURNS :], now_s]
        writers.remove(continued)
        writers.append(continued)
    continued.number, continued.heard_s = number, now_s
