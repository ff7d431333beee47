"""Whether the guard hears what is observed: without it, an observation would get no applied action."""

import math
from collections.abc import Collection, Hashable
from enum import Enum

ACQUAINTANCE_S = 1.0
"""Nodes that this one has discovered for so long have discovered one another."""
SILENT_S = 1.0
"""A guard that has answered no observation for so long is not there, whatever the graph says: it shows a node that was
killed on another computer for some 20 s more, and one that is held up for ever."""


class Link(Enum):
    """Whether observations are answered."""

    WAITING = "waiting"
    HEARD = "heard"


class LinkEvent(Enum):
    """What changes that."""

    ACQUAINTED = "a guard has been in the graph for a second"
    ANSWERED = "an observation got its applied action"
    GONE = "the guard has left the graph"
    SILENT = "observations got no applied action for a second"


TRANSITIONS: dict[tuple[Link, LinkEvent], Link] = {
    (Link.WAITING, LinkEvent.ACQUAINTED): Link.HEARD,
    (Link.WAITING, LinkEvent.ANSWERED): Link.HEARD,
    (Link.HEARD, LinkEvent.GONE): Link.WAITING,
    (Link.HEARD, LinkEvent.SILENT): Link.WAITING,
}
"""What is not here changes nothing."""


class GuardLink:
    """Follows the guard through discovery, death and restart.

    Call order: `look` regularly with the guards that the graph shows; `asked` for each published observation and
    `answered` for each applied action of this session. Times are steady.
    """

    def __init__(self, *, silent_s: float = SILENT_S) -> None:
        """Begin waiting.

        Args:
            silent_s: how long observations may go unanswered; infinite in lockstep, where a policy may take its time.
        """
        self.state = Link.WAITING
        self._silent_s = silent_s
        self._asked_s = math.inf
        self._since_s: dict[Hashable, float] = {}
        # Those in the graph that no longer answer.
        self._silent: frozenset[Hashable] = frozenset()

    @property
    def heard(self) -> bool:
        """Whether an observation would be answered."""
        return self.state is Link.HEARD

    def look(self, guards: Collection[Hashable], now_s: float) -> None:
        """Take in what the graph shows.

        Args:
            guards: identities of the guards that hear observations, which a restart changes.
            now_s: the present.
        """
        self._since_s = {guard: self._since_s.get(guard, now_s) for guard in guards}
        # One that was out of reach and is back may hear again.
        self._silent &= frozenset(guards)
        if now_s - self._asked_s >= self._silent_s:
            # Nobody else was asked.
            self._silent |= {guard for guard, since_s in self._since_s.items() if since_s <= self._asked_s}
            self._asked_s = math.inf
            self._on(LinkEvent.SILENT)
        known = any(
            now_s - since_s >= ACQUAINTANCE_S for guard, since_s in self._since_s.items() if guard not in self._silent
        )
        if not known:
            self._asked_s = math.inf
        self._on(LinkEvent.ACQUAINTED if known else LinkEvent.GONE)

    def asked(self, now_s: float) -> None:
        """Note an observation that awaits its applied action."""
        self._asked_s = min(self._asked_s, now_s)

    def answered(self) -> None:
        """Note an applied action: those who are there hear us."""
        self._asked_s = math.inf
        self._silent = frozenset()
        self._since_s = dict.fromkeys(self._since_s, -math.inf)
        self._on(LinkEvent.ANSWERED)

    def _on(self, event: LinkEvent) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)
