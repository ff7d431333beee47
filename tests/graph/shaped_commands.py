"""Judging the commands that a guard has sent by their own stamps, whatever held up the guard or the test."""

from collections.abc import Sequence

from sensor_msgs.msg import JointState

from robot_mbrl.messages import NANOSECONDS, read_stamp

SPAN = 10
"""Commands that are judged together; one more period than theirs is granted, a tenth."""
ROUNDING = 1e-6


def assert_rates(shaped: Sequence[JointState], limits: Sequence[float]) -> None:
    """No joint was commanded to be faster than its limit, in its unit per second.

    A command is stamped when it is sent, at some time after the one that it was shaped for, but shaped after the one
    before it was sent. So at most the time from the sending of the one before the first of two to the sending of the
    second lies between the times that these were shaped for.
    """
    assert len(shaped) > SPAN + 1
    for before, first, last in zip(shaped, shaped[1:], shaped[SPAN + 1 :], strict=False):
        span_s = (read_stamp(last.header.stamp) - read_stamp(before.header.stamp)) / NANOSECONDS
        for index, limit in enumerate(limits):
            assert abs(last.position[index] - first.position[index]) <= limit * span_s + ROUNDING
