"""Whoever looks costs nothing: processes that join and leave the graph stop no robot, whatever else wants the cores."""

import pytest

from benchmarks.joins import measure

JOINS = 30
"""With shared memory between the nodes, one in five to fifteen of them stopped the robot."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_processes_that_join_and_leave_beside_busy_ones_stop_nothing() -> None:
    _, joined = measure("cartpole", joins=JOINS, quiet_s=5.0)
    assert joined.steps > JOINS
    assert joined.stopped == 0
    assert not joined.reasons.keys() & {"no_action", "no_observation", "stale_joints"}
