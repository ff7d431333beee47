"""Writing files so that after a crash or a loss of power there is the old file or the new one, whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL_SUFFIX = ".partial"
"""What a file's name ends in until it is whole; such a file may be left by a crash."""


@contextmanager
def written_durably(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it appears under its name, complete and on the disk, when the block ends without an error.

    Raises:
        OSError: if the disk refuses it; what was there before stays.
    """
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        # A disk that is full has no room for halves.
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
