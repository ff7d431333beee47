"""The guard's state machines as tables for people: docs/safety.md holds what this prints, and a test holds it to that.

`python -m robot_mbrl.control.tables docs/safety.md` writes them anew between their marks.
"""

import re
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from robot_mbrl.control.enabling import TRANSITIONS as ENABLING
from robot_mbrl.control.episodes import TRANSITIONS as EPISODES
from robot_mbrl.control.guard_link import TRANSITIONS as GUARD_LINK
from robot_mbrl.control.stops import TRANSITIONS as STOPS

Transitions = Mapping[Any, Enum]
"""From (state, event) to state."""


TABLES: dict[str, Transitions] = {
    "stops": STOPS,
    "enabling": ENABLING,
    "episodes": EPISODES,
    "link": GUARD_LINK,
}


def table(transitions: Transitions) -> str:
    """A state machine as a Markdown table: a row per event, a column per state, a dash where nothing changes."""
    some_state, some_event = next(iter(transitions))
    states, events = list(some_state.__class__), list(some_event.__class__)
    lines = ["| | " + " | ".join(state.value for state in states) + " |", "|---|" + "---|" * len(states)]
    for event in events:
        cells = []
        for state in states:
            to = transitions.get((state, event), state)
            cells.append("–" if to is state else f"**{to.value}**")
        lines.append(f"| {event.value} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(page: str) -> str:
    """A page with every table anew between `<!-- NAME -->` and `<!-- end -->`."""
    for name, transitions in TABLES.items():
        mark = f"<!-- {name} -->"
        pattern = re.compile(re.escape(mark) + r"\n.*?<!-- end -->", re.DOTALL)
        body = f"{mark}\n{table(transitions)}\n<!-- end -->"
        # Split and joined, since a replacement's backslashes would mean something.
        page = body.join(pattern.split(page))
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
