"""Which stamped readings are news, and when they were measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_mbrl.control.timeline import LEAP_S, Timeline

MS = 1_000_000
FOREIGN_NS = 7_000_000_000_000
"""What the driver's clock shows when ours begins."""


def stamp(time_s: float) -> int:
    """The driver's clock at a time of ours."""
    return FOREIGN_NS + round(time_s * 1e9)


def test_clocks_need_not_agree():
    line = Timeline()
    assert line.accept(stamp(1.0), 1.002) == pytest.approx(1.002)
    assert line.accept(stamp(1.01), 1.012) == pytest.approx(1.012, abs=1e-4)


def test_data_that_waited_on_a_bus_are_as_old_as_they_are():
    line = Timeline()
    line.accept(stamp(1.0), 1.0)
    assert line.accept(stamp(1.01), 1.51) == pytest.approx(1.01, abs=1e-3)


def test_a_stamp_that_stands_still_is_no_news_however_long():
    line = Timeline()
    line.accept(stamp(1.0), 1.0)
    for k in range(1, 400):
        assert line.accept(stamp(1.0), 1.0 + 0.01 * k) is None
    assert "stands still" in line.refusal


def test_readings_out_of_order_and_repeated_are_no_news():
    line = Timeline()
    line.accept(stamp(1.0), 1.0)
    assert line.accept(stamp(0.99), 1.01) is None
    assert "older" in line.refusal
    assert line.accept(stamp(1.0), 1.01) is None
    assert line.accept(stamp(1.01), 1.011) is not None


def test_a_single_leap_is_refused_and_changes_nothing():
    line = Timeline()
    line.accept(stamp(1.0), 1.0)
    assert line.accept(stamp(3601.0), 1.01) is None
    assert "leaps" in line.refusal
    assert line.accept(stamp(1.02), 1.02) == pytest.approx(1.02, abs=1e-3)


@pytest.mark.parametrize("leap_s", [3600.0, -3600.0, 1.5, -1.5])
def test_a_clock_that_was_set_is_refused_for_a_second_and_then_believed(leap_s: float):
    line = Timeline()
    line.accept(stamp(1.0), 1.0)
    heard = [t for k in range(1, 300) if line.accept(stamp((t := 1.0 + 0.01 * k) + leap_s), t) is not None]
    assert LEAP_S < heard[0] - 1.0 <= LEAP_S + 0.02
    assert len(heard) == 299 - round(100 * (heard[0] - 1.0)) + 1


def test_a_driver_that_never_stamps_is_believed_if_the_robot_says_so():
    line = Timeline(stamped=False)
    assert [line.accept(0, t) for t in (1.0, 1.01)] == [1.0, 1.01]


def test_a_simulators_time_may_run_slow():
    line = Timeline(by_arrival=True)
    assert [line.accept(stamp(0.1 * k), 1.0 + k) for k in range(4)] == [1.0, 2.0, 3.0, 4.0]
    assert line.accept(stamp(0.3), 5.0) is None


@given(st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.9)), min_size=1, max_size=50))
def test_nothing_is_measured_after_it_arrived_or_believed_younger_than_it_is(ways: list[tuple[float, float]]):
    """With one prompt reading at the start, no delay makes data look fresh."""
    line = Timeline()
    line.accept(stamp(0.0), 0.0)
    sent_s, newest = 0.0, 0.0
    for pause_s, way_s in ways:
        sent_s += pause_s
        arrival_s = max(newest, sent_s + way_s)
        newest = arrival_s
        measured_s = line.accept(stamp(sent_s), arrival_s)
        if measured_s is not None and arrival_s <= LEAP_S:
            assert measured_s <= arrival_s
            assert measured_s <= sent_s + 0.01
