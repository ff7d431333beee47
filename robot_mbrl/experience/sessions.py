"""Sessions that a replay knows: their names by index, how far each has come, and the robot that lived it."""

from typing import Any

from robot_mbrl.steps import StepKey


class Sessions:
    """Sessions in the order in which they were come across."""

    def __init__(self, robot: str = "") -> None:
        """Know of none.

        Args:
            robot: whose sessions they are, but for those that `robots_told` names.
        """
        self.names: list[str] = []
        self.newest_ns: dict[str, int] = {}
        """Stamp of the newest step of each, nanoseconds."""
        self.robots_told: dict[str, str] = {}
        self._robot = robot

    @property
    def robots(self) -> list[str]:
        """Names of the robots that lived them, by index."""
        return [self.robots_told.get(name, self._robot) for name in self.names]

    @property
    def state(self) -> dict[str, Any]:
        """Copies of what `restore` takes, as JSON has it."""
        return {"names": self.names.copy(), "newest_ns": self.newest_ns.copy(), "robots": self.robots_told.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.names, self.newest_ns, self.robots_told = state["names"], state["newest_ns"], state["robots"]

    def refusal(self, key: StepKey) -> str:
        """Why a step cannot come after those of its session: `repeat` or `late`; empty if it can."""
        newest_ns = self.newest_ns.get(key.session)
        if newest_ns is None or key.stamp_ns > newest_ns:
            return ""
        return "repeat" if key.stamp_ns == newest_ns else "late"

    def note(self, key: StepKey) -> int:
        """Take note of a step; returns the index of its session."""
        if key.session not in self.newest_ns:
            self.names.append(key.session)
        self.newest_ns[key.session] = key.stamp_ns
        return self.index(key.session)

    def index(self, session: str) -> int:
        """Index of a session that is known."""
        # The newest one is nearly always the one asked for.
        return len(self.names) - 1 if self.names[-1] == session else self.names.index(session)
