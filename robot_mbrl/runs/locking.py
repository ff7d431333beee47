"""One process at a time in a run's folder: two would mix up their metrics, checkpoints and lists of processes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keep the folder to this process while the block lasts; the kernel gives it back if the process is killed.

    Raises:
        ConfigError: if another process has it, or the folder cannot be written.
    """
    path = folder.path / ".lock"
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
