"""Whoever looks costs nothing: processes that join and leave the graph stop no robot, whatever else wants the cores."""

import numpy as np
import pytest

from benchmarks import joins, slow_onlookers

JOINS = 30
"""With shared memory between the nodes, one in five to fifteen of them stopped the robot."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_processes_that_join_and_leave_beside_busy_ones_stop_nothing() -> None:
    _, joined = joins.measure("cartpole", joins=JOINS, quiet_s=5.0)
    assert joined.steps > JOINS
    assert joined.stopped == 0
    assert not joined.reasons.keys() & {"no_action", "no_observation", "stale_joints"}


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_slow_onlookers_of_every_topic_one_of_them_stopped_delay_no_command() -> None:
    alone, watched, topics = slow_onlookers.measure("cartpole", turns=1, seconds=10.0)
    assert topics > 10
    assert len(watched.latencies_ms) > 150
    assert watched.stopped == 0
    # A reader that a writer waits for costs its 100 ms; how much less than 5 ms it is, the benchmark tells.
    tails_ms = [np.percentile(turns.latencies_ms, 95) for turns in (alone, watched)]
    assert tails_ms[1] < tails_ms[0] + 5.0
