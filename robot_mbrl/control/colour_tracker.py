"""Finds a thing in pictures by its colour: a measurement of where it is, for rewards and for whoever wants it."""

import cv2
import numpy as np

from robot_mbrl.errors import MessageError
from robot_mbrl.tracker_config import TrackerConfig


class ColourTracker:
    """Follows one thing; it remembers nothing."""

    def __init__(self, config: TrackerConfig) -> None:
        """Look for what is described."""
        self._config = config
        self._low, self._high = np.array(config.low, np.uint8), np.array(config.high, np.uint8)

    def find(self, picture: np.ndarray) -> tuple[float, float] | None:
        """Where the middle of the thing is, x from the left and y from the top, 0 to 1 within the tracker's area.

        Args:
            picture: uint8, RGB, shape (height, width, 3).

        Returns:
            The place, beyond 0 to 1 outside the area; None if the thing is not seen.

        Raises:
            MessageError: if the picture has no colours.
        """
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise MessageError(f"a colour cannot be tracked in a picture of {picture.shape} {picture.dtype}")
        mask = cv2.inRange(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV), self._low, self._high)
        largest = _largest(mask)
        if largest is None or largest[0] < self._config.fewest_pixels:
            return None
        height, width = mask.shape
        area = self._config.area
        # The middle of the leftmost pixel is half a pixel from the left.
        x, y = ((centre + 0.5) / size for centre, size in zip(largest[1:], (width, height), strict=True))
        return (x - area.left) / (area.right - area.left), (y - area.top) / (area.bottom - area.top)


def _largest(mask: np.ndarray) -> tuple[int, float, float] | None:
    """Pixels of the largest connected part of a mask, and its middle, x and y; None if the mask is empty."""
    count, _, statistics, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    # Part 0 is what is not in the mask.
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    largest = int(np.argmax(sizes))
    x, y = centres[1 + largest]
    return int(sizes[largest]), float(x), float(y)
