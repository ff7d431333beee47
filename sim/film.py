"""A film of a simulated robot, frame by frame."""

from pathlib import Path

import cv2
import numpy as np

from sim.errors import WorldError


class Film:
    """An MP4 file that frames are added to; playable once closed."""

    def __init__(self, path: Path, rate_hz: float, frame: np.ndarray) -> None:
        """Open the file.

        Args:
            path: of the file, which is replaced.
            rate_hz: frames per second.
            frame: a first frame, which gives the size: uint8, shape (height, width, 3), both even.

        Raises:
            WorldError: if the file cannot be written.
        """
        height, width, _ = frame.shape
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate_hz, (width, height))
        if not self._writer.isOpened():
            raise WorldError(f"{path}: OpenCV cannot write a video here")
        self.add(frame)

    def add(self, frame: np.ndarray) -> None:
        """Add a frame of the same size, RGB."""
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Complete the file."""
        self._writer.release()
