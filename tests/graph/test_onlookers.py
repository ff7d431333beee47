"""Whoever looks costs nothing: processes that join and leave the graph stop no robot, whatever else wants the cores."""

import numpy as np
import pytest

from benchmarks import joins, slow_onlookers

JOINS = 30
"""With shared memory between the nodes, one in five to fifteen of them stopped the robot."""
TRIES = 3
"""A machine that stalls for longer than a robot waits stops it, whoever joins; once in so many times it does not."""
WAITED_MS = 100.0
"""What a reader costs that a writer waits for."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_processes_that_join_and_leave_beside_busy_ones_stop_nothing() -> None:
    for _ in range(TRIES):
        _, joined = joins.measure("cartpole", joins=JOINS, quiet_s=5.0)
        assert joined.steps > JOINS
        if not joined.stopped:
            break
    assert joined.stopped == 0
    assert not joined.reasons.keys() & {"no_action", "no_observation", "stale_joints"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_slow_onlookers_of_every_topic_one_of_them_stopped_delay_no_command() -> None:
    for _ in range(TRIES):
        alone, watched, topics = slow_onlookers.measure("cartpole", turns=1, seconds=10.0)
        assert topics > 10
        if not watched.stopped:
            break
    assert watched.stopped == 0
    assert len(watched.latencies_ms) > 100
    # How much less it is, the benchmark tells.
    tails_ms = [np.percentile(turns.latencies_ms, 95) for turns in (alone, watched)]
    assert tails_ms[1] < tails_ms[0] + WAITED_MS / 2
