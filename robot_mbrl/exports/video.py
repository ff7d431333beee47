"""Pictures as MP4 files of many episodes each, as LeRobot datasets hold them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

CODEC, PIXELS = "libx264", "yuv420p"
OPTIONS = {"crf": "18", "g": "2", "bf": "0"}
"""Nearly without loss; every second picture stands for itself, so that any is found quickly."""
CHUNK_FILES = 1000
"""Files of a folder, of data as of pictures."""


@dataclass(frozen=True)
class Place:
    """Where an episode's pictures are: numbers of chunk and file, and from when to when in it, seconds."""

    chunk: int
    file: int
    from_s: float
    to_s: float


class VideoWriter:
    """The files of one camera.

    Attributes:
        info: what the dataset says of them.
    """

    def __init__(self, root: Path, key: str, fps: Fraction, path: str, most_mb: int) -> None:
        """Prepare.

        Args:
            root: the dataset's folder.
            key: the camera's name in the dataset.
            fps: pictures per second.
            path: where files go, with places for `video_key`, `chunk_index` and `file_index`.
            most_mb: size at which a file is finished and another begun.
        """
        self.info: dict[str, Any] = {
            "video.fps": float(fps),
            "video.codec": "h264",
            "video.pix_fmt": PIXELS,
            "video.is_depth_map": False,
            "has_audio": False,
        }
        self._root, self._key, self._fps, self._path, self._most_bytes = root, key, fps, path, most_mb * 1_000_000
        self._file = -1
        self._frames = 0
        self._container: Any = None
        self._stream: Any = None

    def add(self, pictures: np.ndarray) -> Place:
        """Write an episode's pictures, uint8, shape (frames, height, width, 3)."""
        if self._container is None or self._target().stat().st_size >= self._most_bytes:
            self._begin(*pictures.shape[1:])
        start = self._frames
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = self._frames, 1 / self._fps
            self._container.mux(self._stream.encode(frame))
            self._frames += 1
        chunk, file = divmod(self._file, CHUNK_FILES)
        return Place(chunk, file, float(start / self._fps), float(self._frames / self._fps))

    def close(self) -> None:
        """Finish the file that is being written."""
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container = None

    def _target(self) -> Path:
        chunk, file = divmod(self._file, CHUNK_FILES)
        return self._root / self._path.format(video_key=self._key, chunk_index=chunk, file_index=file)

    def _begin(self, height: int, width: int, channels: int) -> None:
        self.close()
        self._file, self._frames = self._file + 1, 0
        target = self._target()
        target.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(target), "w")
        self._stream = self._container.add_stream(CODEC, rate=self._fps, options=OPTIONS)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, PIXELS
        self._stream.time_base = 1 / self._fps
        self.info |= {"video.height": height, "video.width": width, "video.channels": channels}
