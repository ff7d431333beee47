"""What the guard's position commands cost: from new targets to the next command of every joint.

Run it with `python -m benchmarks.path_shaping`. Targets change at every step of a policy of 20 Hz, as its actions do,
and each is to be reached as the next one comes.
"""

import argparse
import time

import numpy as np

from benchmarks.report import Row, report
from robot_mbrl.config import CommandJoint
from robot_mbrl.control.shaping import PositionShaper

JOINTS = (1, 6, 12)
RATES_HZ = (100.0, 500.0)
STEP_S = 0.05
REACH_RAD = 0.1
"""How far from where it is a joint's next target may lie."""
SECONDS = 60.0
"""Of motion, not of measuring."""


def make_joint(max_jerk: float | None) -> CommandJoint:
    """A joint of an arm."""
    return CommandJoint(
        name="joint", unit="rad", low=-2.0, high=2.0, max_rate=2.0, max_acceleration=8.0, max_jerk=max_jerk
    )


def measure(joints: int, rate_hz: float, max_jerk: float | None, seconds: float) -> Row:
    """One arm at one command rate."""
    limits, random = make_joint(max_jerk), np.random.default_rng(0)
    shapers = [PositionShaper(limits, 0.0) for _ in range(joints)]
    period_s, ticks = 1.0 / rate_hz, round(STEP_S * rate_hz)
    costs_us = []
    for _ in range(round(seconds / STEP_S)):
        targets = (random.uniform(-REACH_RAD, REACH_RAD, joints) + [shaper.value for shaper in shapers]).tolist()
        for tick in range(ticks):
            remaining_s = (ticks - tick) * period_s
            begin_s = time.perf_counter()
            for shaper, target in zip(shapers, targets, strict=True):
                shaper.advance(target, period_s, abs(target - shaper.value) / remaining_s)
            costs_us.append(1e6 * (time.perf_counter() - begin_s))
    p50, p99 = np.percentile(costs_us, (50, 99))
    return {
        "jerk": "any" if max_jerk is None else f"{max_jerk:g} rad/s³",
        "joints": joints,
        "command rate Hz": rate_hz,
        "p50 µs": float(p50),
        "p99 µs": float(p99),
        "p50 of the period %": float(p50 * rate_hz * 1e-4),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.path_shaping", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of motion for each row")
    seconds = parser.parse_args().seconds
    rows = [
        measure(joints, rate_hz, max_jerk, seconds)
        for max_jerk in (None, 80.0)
        for rate_hz in RATES_HZ
        for joints in JOINTS
    ]
    report("path_shaping", rows)


if __name__ == "__main__":
    main()
