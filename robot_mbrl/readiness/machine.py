"""Whether this computer lets control be punctual: real-time priority, memory, room on the disk."""

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from robot_mbrl.readiness.finding import Finding, amber, green, red

SWAPS = Path("/proc/swaps")
MEGABYTE = 1_000_000
FEW_MB = 500
"""With less than this the recorder rests (its `min_free_mb`)."""
AMPLE_MB = 10_000
"""About a day of a robot without cameras, some hours of one with a small picture at 20 Hz."""


def judge_machine(folder: Path, priority: int) -> Iterator[Finding]:
    """Findings about this computer.

    Args:
        folder: where runs are kept.
        priority: the highest real-time priority that a node asks for.
    """
    yield _real_time(priority)
    yield _memory(SWAPS.read_text(encoding="utf-8") if SWAPS.exists() else "")
    yield judge_disk(folder, shutil.disk_usage(folder).free // MEGABYTE)


def _real_time(priority: int) -> Finding:
    """Whether real-time priority is granted: asked for, and given back at once."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
        remedy = f"allow it in /etc/security/limits.conf (rtprio {priority} or more) and log in anew"
        found = f"SCHED_FIFO {priority} is refused (rtprio {limit}: {error.strerror}): under load, steps may be late"
        return amber("machine.real_time", found, remedy)
    os.sched_setscheduler(0, policy, parameters)
    return green("machine.real_time", f"SCHED_FIFO {priority} is granted")


def _memory(swaps: str) -> Finding:
    """Whether control may be held up by memory that was swapped out; `swaps` is what `/proc/swaps` says."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    locks = "without limit" if limit == resource.RLIM_INFINITY else f"{limit // MEGABYTE} MB"
    used = [line.split()[0] for line in swaps.splitlines()[1:] if line.strip()]
    if not used:
        return green("machine.memory", f"nothing is swapped out: there is no swap (memlock {locks})")
    found = f"memory may be swapped out to {', '.join(used)} (memlock {locks}), which holds control up for long"
    return amber(
        "machine.memory", found, "sudo swapoff -a on the robot's computer, or see that memory never runs short"
    )


def judge_disk(folder: Path, free_mb: int) -> Finding:
    """Whether there is room for recordings."""
    found = f"{free_mb / 1000:.1f} GB are free for {folder}"
    remedy = "make room, name another disk with --run, or let old recordings go (robot-mbrl sessions RUN --keep 20GB)"
    if free_mb < FEW_MB:
        return red("machine.disk", f"{found}: the recorder would rest", remedy)
    return amber("machine.disk", found, remedy) if free_mb < AMPLE_MB else green("machine.disk", found)
