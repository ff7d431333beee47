"""Writing files so that after a crash or a loss of power there is the old file or the new one, whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_durably(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it appears under its name, complete and on the disk, when the block ends without an error.

    Raises:
        OSError: if the disk refuses it; what was there before stays.
    """
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
