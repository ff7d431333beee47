"""Pictures for the page: colours as they are, depths as brightness, whatever is in them."""

import cv2
import numpy as np
import pytest

from ros_nodes.watch import encode


def shown(picture: np.ndarray) -> np.ndarray:
    """The picture as a browser shows it, (height, width, 3), RGB."""
    read = cv2.imdecode(np.frombuffer(encode(picture), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB)


def test_colours_are_as_they_are() -> None:
    picture = np.full((64, 48, 3), (200, 30, 90), np.uint8)
    assert np.abs(shown(picture).astype(int) - picture).max() < 12


@pytest.mark.parametrize("farthest", [1, 300, 65535])
def test_what_is_far_is_bright(farthest: int) -> None:
    depths = np.zeros((64, 64, 1), np.uint16)
    depths[:, 32:] = farthest
    grey = shown(depths).astype(int)
    assert grey[:, :28].max() < 12
    assert grey[:, 36:].min() > 243


def test_a_camera_that_sees_nothing_is_black() -> None:
    assert shown(np.zeros((64, 64, 1), np.uint16)).max() == 0
