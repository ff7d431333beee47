"""Opening new bundles beside the one at work, so that control never waits for it."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from robot_mbrl.bundles import StoredBundle
from robot_mbrl.control.bundle_provider import BundleOpener, Chosen
from robot_mbrl.errors import BundleError


class BundleLoader:
    """Loads announced bundles one at a time on a thread of its own; of those that wait, only the newest.

    A thread does: ONNX Runtime holds the interpreter only while it parses the file, about 2 to 5 of the 20 ms that
    loading 12 MB takes.
    """

    def __init__(self, opener: BundleOpener) -> None:
        """Load bundles as the opener does."""
        self._opener = opener
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bundle-loader", initializer=_leave_real_time)
        self._loading: Future[Chosen] | None = None
        self._waiting: StoredBundle | None = None

    def request(self, stored: StoredBundle) -> None:
        """Load this bundle as soon as the one being loaded is done; returns at once."""
        self._waiting = stored
        self._start_next()

    @property
    def is_loading(self) -> bool:
        """Whether a bundle is being loaded, or was loaded and is still to be taken."""
        return self._loading is not None

    def take(self) -> Chosen | None:
        """The bundle that has been loaded, verified and warmed up since the last call; None if there is none.

        Raises:
            BundleError: if that bundle is refused.
        """
        if self._loading is None or not self._loading.done():
            return None
        done, self._loading = self._loading, None
        self._start_next()
        return done.result()

    def close(self) -> None:
        """Wait for the thread to end."""
        self._pool.shutdown(cancel_futures=True)

    def _start_next(self) -> None:
        if self._loading is None and self._waiting is not None:
            self._loading = self._pool.submit(self._load, self._waiting)
            self._waiting = None

    def _load(self, stored: StoredBundle) -> Chosen:
        chosen = self._opener.open(Path(stored.path))
        if chosen.bundle.sha256 != stored.sha256:
            raise BundleError(f"{stored.path}: not the file that was announced (its hash differs); announce it again")
        return chosen


def _leave_real_time() -> None:
    """Give up the real-time priority that the thread inherits from control.

    Even the lowest of them made control late: above everything that is not real-time, loading kept the guard's and
    the driver's other threads from their processor. Control's 99th percentile at 100 Hz rose from 14 to 30 ms with a
    12 MB bundle loaded five times a second on two busy cores.
    """
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
