"""Where the runs of a comparison are carried out: in processes of this machine, or on a Ray cluster."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from robot_mbrl.errors import ConfigError

POLL_S = 0.2
STOP_S = 60.0
"""How long runs on a cluster are waited for after they were interrupted."""
STOPPED = 130
"""Exit code of a run that was stopped before it began."""
NICENESS = 19
"""Runs give way to everything else on the machine."""
_LOG_TAIL = 400


@dataclass(frozen=True)
class Job:
    """A command, and the file that its output goes to."""

    name: str
    words: tuple[str, ...]
    log: Path

    def complaint(self) -> str:
        """The last line that it printed."""
        try:
            lines = self.log.read_text(errors="replace")[-_LOG_TAIL:].strip().splitlines()
        except OSError:
            lines = []
        return f"{self.name}: {lines[-1] if lines else 'failed'} (see {self.log})"


Finished = Callable[[Job, int], object]
"""Told each job that ended, and its exit code."""


class Fleet(Protocol):
    """Carries out jobs."""

    def run(self, jobs: Sequence[Job], finished: Finished, tick: Callable[[], bool]) -> None:
        """Carry them out, several at a time, until all have ended or `tick` says to stop.

        Args:
            jobs: the commands.
            finished: told each that ended by itself.
            tick: called now and then; returns whether to stop. Those that run are then interrupted, and waited for.
        """


class Processes:
    """Processes of this machine, at low priority."""

    def __init__(self, parallel: int) -> None:
        """Begin with none.

        Args:
            parallel: how many at a time.
        """
        self._parallel = parallel

    def run(self, jobs: Sequence[Job], finished: Finished, tick: Callable[[], bool]) -> None:
        """See `Fleet.run`."""
        waiting, running = deque(jobs), dict[Job, subprocess.Popen[bytes]]()
        try:
            while (waiting or running) and not tick():
                while waiting and len(running) < self._parallel:
                    job = waiting.popleft()
                    running[job] = start(job)
                time.sleep(POLL_S)
                for job in [job for job, process in running.items() if process.poll() is not None]:
                    finished(job, running.pop(job).returncode)
        finally:
            for process in running.values():
                process.send_signal(signal.SIGINT)
            for process in running.values():
                process.wait()


class RayCluster:
    """A Ray cluster: the one that `RAY_ADDRESS` names or this machine is part of, else one of this machine alone.

    Its machines must share the folders that the jobs write to, under the same paths, and have this package.
    """

    def __init__(self, cpus: int = 1) -> None:
        """Connect to nothing yet.

        Args:
            cpus: that each job claims.

        Raises:
            ConfigError: if Ray is not installed.
        """
        if importlib.util.find_spec("ray") is None:
            raise ConfigError("a Ray cluster needs Ray: pip install robot-mbrl[cluster] installs it")
        self._cpus = cpus

    def run(self, jobs: Sequence[Job], finished: Finished, tick: Callable[[], bool]) -> None:
        """See `Fleet.run`."""
        if not jobs:
            return
        # Not at the top: an extra that only those with several machines need.
        import ray

        mine = not ray.is_initialized()
        if mine:
            ray.init(log_to_driver=False, configure_logging=False)
        # In the folder that all machines share: Ray cannot interrupt a task that waits for another process.
        stop = jobs[0].log.parent / f".stop-{os.getpid()}"
        try:
            carry_out: Any = ray.remote(num_cpus=self._cpus, max_retries=0)(carry_out_job)
            running = {carry_out.remote(job, stop): job for job in jobs}
            while running and not tick():
                ended, _ = ray.wait(list(running), timeout=POLL_S)
                for reference in ended:
                    finished(running.pop(reference), ray.get(reference))
            if running:
                stop.parent.mkdir(parents=True, exist_ok=True)
                stop.touch()
                ray.wait(list(running), num_returns=len(running), timeout=STOP_S)
        finally:
            stop.unlink(missing_ok=True)
            if mine:
                ray.shutdown()


def start(job: Job) -> "subprocess.Popen[bytes]":
    """Start a job at low priority, in a group of its own: Ctrl-C reaches it through us alone."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    # A process inherits which signals are blocked, and Ray's workers block the one that stops a run in good order.
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with job.log.open("ab") as log:
        process = subprocess.Popen(job.words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    _give_way(process.pid)
    return process


def _give_way(leader: int) -> None:
    os.setpriority(os.PRIO_PROCESS, leader, NICENESS)
    # Where Linux groups processes by session, niceness counts within a session alone, and the session has its own.
    with contextlib.suppress(OSError):
        Path(f"/proc/{leader}/autogroup").write_text(str(NICENESS), encoding="ascii")


def carry_out_job(job: Job, stop: Path) -> int:
    """Carry a job out; returns its exit code.

    Args:
        job: the command.
        stop: a file whose appearance ends it, or keeps it from beginning.
    """
    if stop.exists():
        return STOPPED
    process = start(job)
    while (code := process.poll()) is None:
        time.sleep(POLL_S)
        if stop.exists():
            process.send_signal(signal.SIGINT)
            return process.wait()
    return code
