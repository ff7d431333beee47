"""Recordings to learn from: runs, bags and single files, split into what is learned from and what is held out.

Sources are only read. Whole stretches are held out, since neighbouring steps are nearly the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError, ExperienceError
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.folder import find_sessions
from robot_mbrl.experience.replay import Replay
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.labels import LateLabels
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.steps import GAP_PERIODS, Step

STRETCH_STEPS = 250
"""A stretch ends with its episode, or after so many steps: some robots' episodes never end."""
HELD_OUT, HELD_OUT_OF = 4, 10
"""The fifth of every ten stretches is held out, so that five already have one to judge by."""
_OWN = (".scale",)
"""What differs without changing what was recorded, which is in physical units."""


class Split:
    """Tells which steps are held out, by the order in which they come."""

    def __init__(self, step_ns: int) -> None:
        """Begin before the first step.

        Args:
            step_ns: nominal time between two steps, nanoseconds.
        """
        self._longest_ns = GAP_PERIODS * step_ns
        self._stretch = -1
        self._steps = 0
        self._before: Step | None = None

    def holds_out(self, step: Step) -> bool:
        """Whether the next step is held out."""
        if self._begins(step):
            self._stretch, self._steps = self._stretch + 1, 0
        self._steps += 1
        self._before = step
        return self._stretch % HELD_OUT_OF == HELD_OUT

    def _begins(self, step: Step) -> bool:
        if self._before is None or step.observation.is_first or self._steps >= STRETCH_STEPS:
            return True
        key, before = step.observation.key, self._before.observation
        return (
            before.is_last or key.session != before.key.session or key.stamp_ns - before.key.stamp_ns > self._longest_ns
        )


@dataclass(frozen=True)
class Recorded:
    """What came of reading recordings."""

    steps: int
    """Steps to learn from that were new."""
    held_out: int


def read_recordings(
    sources: Sequence[Path],
    config: RunConfig,
    receive: Callable[[Step], bool],
    held_out: Replay,
    report: Callable[[str], object],
    label: Callable[[LateLabels], str] | None = None,
) -> Recorded:
    """Read recordings in the order given.

    Args:
        sources: folders of runs, bags (folders of MCAP files) or single MCAP files.
        config: the run that learns from them.
        receive: takes each step to learn from, and tells whether it was new.
        held_out: an empty replay that takes the others.
        report: told what was found, and what was left out, in sentences.
        label: takes the labels of stored steps, and tells why nothing comes of them.

    Raises:
        ConfigError: if a source is not there, or a run's actions meant something else.
        ExperienceError: if nothing in a source can be learned from; the message says why.
    """
    check_recordings(sources, config)
    split = Split(round(config.step_s * 1e9))

    def route(step: Step) -> bool:
        return held_out.append(step) if split.holds_out(step) else receive(step)

    steps = 0
    for source in sources:
        before = len(held_out)
        filling = fill_replay(held_out, _recordings(source), route, label)
        steps += filling.steps - (len(held_out) - before)
        wrong = [f"{path}: {reason}" for path, reason in filling.unread.items()]
        wrong += [f"{count} messages or steps: {reason}" for reason, count in filling.malformed.items()]
        for sentence in wrong:
            report(f"left out: {sentence}")
        if filling.dropped:
            report(f"{source}: {filling.dropped} steps lack a part, and were left out")
        report(f"{source}: {filling.steps} steps in {filling.files} files")
    return Recorded(steps, len(held_out))


def check_sources(sources: Sequence[Path], config: RunConfig) -> None:
    """Refuse sources that are not there, and runs whose numbers mean something else.

    Raises:
        ConfigError: naming the first such source.
    """
    for source in sources:
        if not source.exists():
            raise ConfigError(f"{source} is not there: name the folder of a run, a bag or an MCAP file")
        if _is_run(source):
            _check_actions(source, config)


def check_recordings(sources: Sequence[Path], config: RunConfig) -> None:
    """Refuse sources as `check_sources` does, and those without a file that can be learned from.

    Raises:
        ConfigError: naming the first such source.
        ExperienceError: likewise; it says why its files are not read.
    """
    check_sources(sources, config)
    for source in sources:
        sessions = find_sessions(_recordings(source))
        if not sessions.paths:
            wrong = [f"{path}: {reason}" for path, reason in sessions.unread.items()]
            raise ExperienceError(f"{source}: no MCAP files to learn from; {'; '.join(wrong) or 'it is empty'}")


def _recordings(source: Path) -> Path:
    """Where a source's recordings lie."""
    return RunFolder(source).bags if _is_run(source) else source


def _is_run(source: Path) -> bool:
    return RunFolder(source).config.is_file()


def _check_actions(source: Path, config: RunConfig) -> None:
    """Refuse a run whose numbers meant something else; other bags do not say what theirs mean.

    Raises:
        ConfigError: naming each difference.
    """
    there, here = Fingerprint.of(load_run(source)).fields, Fingerprint.of(config).fields
    # What one of them does not observe is in the recording all the same, or missed there.
    compared = [name for name in there.keys() & here.keys() if not name.endswith(_OWN) and name != "task.class"]
    compared += [name for name in there.keys() ^ here.keys() if name.startswith(("commands.", "choices."))]
    different = [
        f"{name} was {there.get(name)!r}, here it is {here.get(name)!r}"
        for name in sorted(compared)
        if there.get(name) != here.get(name)
    ]
    if different:
        raise ConfigError(f"{source}: its numbers mean something else than this task's: {'; '.join(different)}")
