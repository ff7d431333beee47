"""One process at a time in a run's folder: two would mix up their metrics, checkpoints and lists of processes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder

LOCK = ".lock"
LOCKS = Path("/proc/locks")
"""The locks that the kernel keeps now."""


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keep the folder to this process while the block lasts; the kernel gives it back if the process is killed.

    Raises:
        ConfigError: if another process has it, or the folder cannot be written.
    """
    path = folder.path / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(
            f"{folder.path} is in use by another robot-mbrl process: wait until it has ended, or name another folder"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: RunFolder) -> bool:
    """Whether a process of this computer has the folder; asks the kernel and takes no lock, so it disturbs nobody."""
    try:
        # By the file's number alone: of a disk in layers, the kernel names another device than the file's.
        place = f":{(folder.path / LOCK).stat().st_ino}"
        locks = [line.split() for line in LOCKS.read_text().splitlines()]
    except OSError:
        return False
    return any(words[1] == "FLOCK" and words[5].endswith(place) for words in locks)
