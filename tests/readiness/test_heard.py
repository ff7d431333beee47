"""What follows from what was heard of a sensor topic."""

from collections.abc import Iterator

import pytest

from benchmarks.campaign.kills import HARDWARE
from robot_mbrl.config import load_run
from robot_mbrl.readiness.finding import Finding, Level
from robot_mbrl.readiness.heard import Heard, judge_source

ROBOT = load_run(HARDWARE / "arm-task.yaml").robot
LISTENED_S = 2.0


def heard(rate_hz: float = 100.0, **changes: object) -> Heard:
    """A driver without fault, but for what the test changes."""
    count = round(LISTENED_S * rate_hz)
    whole = {
        "publishers": ("/arm/driver",),
        "joints": {"shoulder", "elbow"},
        "arrivals_s": [index / rate_hz for index in range(1, count + 1)],
        "delays_s": [0.001] * count,
        "sent_s": [0.0005] * count,
    }
    return Heard(**{**whole, **changes})  # type: ignore[arg-type]


def judged(heard: Heard, robot: object = ROBOT) -> dict[str, Finding]:
    return {f.name: f for f in judge_source("joints", robot, heard, LISTENED_S, LISTENED_S)}  # type: ignore[arg-type]


def faults(heard: Heard) -> Iterator[tuple[str, Level]]:
    return ((name, f.level) for name, f in judged(heard).items() if f.level is not Level.GREEN)


def test_a_driver_without_fault_is_green_in_everything() -> None:
    assert set(judged(heard())) == {
        f"sources.joints.{of}" for of in ("publisher", "qos", "joints", "rate", "readings", "clock")
    }
    assert not list(faults(heard()))


@pytest.mark.parametrize(
    ("changes", "name", "level", "says"),
    [
        ({"publishers": (), "alike": ("/arm/joints",)}, "publisher", Level.RED, "comes on /arm/joints"),
        ({"contradictions": "2 publishers of elbow"}, "publisher", Level.RED, "2 publishers of elbow"),
        ({"mismatches": ("driver sends another type",)}, "qos", Level.RED, "another type"),
        ({"arrivals_s": []}, "rate", Level.RED, "nothing came on joint_states for 2.0 s"),
        ({"joints": {"shoulder", "wrist"}}, "joints", Level.RED, "not reported: elbow; reported: shoulder, wrist"),
        ({"arrivals_s": [0.1, 0.2, 0.6, 1.9]}, "rate", Level.RED, "1.300 s between two"),
        ({"arrivals_s": [0.1, 0.2, 0.3]}, "rate", Level.RED, "the newest 1.700 s old"),
        ({"rate_hz": 10.0}, "rate", Level.AMBER, "less often than control_rate_hz (20)"),
        ({"refused": 200, "refusal": "its stamp stands still"}, "readings", Level.RED, "its stamp stands still"),
        ({"refused": 2, "refusal": "velocity is not finite"}, "readings", Level.AMBER, "2 of 200"),
        ({"delays_s": [3.0, 3.1], "sent_s": [3.0, 3.1]}, "clock", Level.AMBER, "3.000 s behind"),
        ({"delays_s": [-3.0, -2.9], "sent_s": [-3.0]}, "clock", Level.AMBER, "3.000 s ahead"),
    ],
)
def test_each_fault_is_found_and_nothing_else(changes: dict[str, object], name: str, level: Level, says: str) -> None:
    found = heard(**changes)  # type: ignore[arg-type]
    assert list(faults(found)) == [(f"sources.joints.{name}", level)]
    finding = judged(found)[f"sources.joints.{name}"]
    assert says in finding.found
    assert finding.remedy


def test_a_device_with_a_clock_of_its_own_is_not_taken_for_a_computer_that_must_be_synchronised() -> None:
    remedies = [judged(heard(delays_s=[3.0], sent_s=sent))["sources.joints.clock"].remedy for sent in ([0.001], [3.0])]
    assert "stamped: false" in remedies[0]
    assert "chrony" in remedies[1]


def test_the_shortest_way_counts_so_that_a_busy_network_is_no_wrong_clock() -> None:
    assert not list(faults(heard(delays_s=[0.5, 0.4, 0.002, 0.6])))
