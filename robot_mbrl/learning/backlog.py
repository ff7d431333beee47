"""Which of the steps that reach a learner were lived before its eyes, and which while it was away."""

import math

from robot_mbrl.steps import StepKey


class Backlog:
    """Tells a backlog from what is lived now without comparing clocks, which differ between computers and simulators.

    Steps come with their writer's history: the backlog first, then the present, in the order they were lived. Beside
    them a witness listens who is not sent any history. Where the first step that the witness has heard turns up among
    the steps, the backlog has ended.
    """

    def __init__(self) -> None:
        """Take everything for a backlog until the witness has heard a step."""
        self._witnessed_ns: dict[str, int] = {}
        self._over: set[int] = set()

    def witness(self, key: StepKey) -> None:
        """Note that the witness has heard a step."""
        self._witnessed_ns.setdefault(key.session, key.stamp_ns)

    def includes(self, key: StepKey, robot: int = 0) -> bool:
        """Whether a step belongs to the backlog; to be asked in the order of the steps of each robot."""
        if key.stamp_ns >= self._witnessed_ns.get(key.session, math.inf):
            self._over.add(robot)
        return robot not in self._over
