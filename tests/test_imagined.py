"""What is imagined goes through its message as it was, and what cannot be one is refused."""

import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robot_mbrl.errors import MessageError
from robot_mbrl.imagined import Imagined, read_imagined, write_imagined
from robot_mbrl.steps import StepKey


def told(values: np.ndarray, names: tuple[str, ...] = ("a", "b")) -> JointTrajectory:
    message = JointTrajectory()
    write_imagined(message, JointTrajectoryPoint, Imagined(StepKey("session", 5_000_000_007), names, values, 0.05))
    return message


def test_what_is_told_is_read_as_it_was() -> None:
    values = np.array([[0.1, -2.0], [0.2, 3.0], [0.3, 1e9]])
    read = read_imagined(told(values))
    assert (read.key, read.names) == (StepKey("session", 5_000_000_007), ("a", "b"))
    assert read.step_s == pytest.approx(0.05)
    np.testing.assert_array_equal(read.values, values)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (told(np.array([[0.0, 1.0], [np.nan, 1.0]])), "not finite"),
        (told(np.array([[0.0, 1.0], [np.inf, 1.0]])), "not finite"),
        (told(np.array([[0.0, 1.0]])), "1 points do not each have 2 values"),
        (told(np.zeros((2, 3))), "2 points do not each have 2 values"),
        (told(np.zeros((2, 2)), ("a", "a")), "a name repeats"),
        (JointTrajectory(), "0 points"),
    ],
)
def test_what_means_nothing_is_refused(message: JointTrajectory, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        read_imagined(message)
