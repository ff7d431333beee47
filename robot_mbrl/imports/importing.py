"""From bags into a run: what can become steps is written beside the run's own recordings, and read back.

Whoever learns in the run takes it up at its next start, and owes no updates for it.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError, ExperienceError
from robot_mbrl.experience.message_files import Survey
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.imports.bag import Bag, find_bags
from robot_mbrl.imports.foreign import ForeignBag
from robot_mbrl.imports.own import OwnBag, holds_steps
from robot_mbrl.imports.report import BagReport, ImportReport
from robot_mbrl.imports.storage import BagFiles
from robot_mbrl.labels import LateLabels
from robot_mbrl.learning.recordings import check_sources
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import namespace
from robot_mbrl.steps import Step

IMPORTS = "imports"
"""The folder within a run's recordings that holds what was imported."""
DIGEST_LETTERS = 12
NO_STEPS = "nothing in it could become a step"
EMPTY = "there is no message in it"


def import_bags(
    sources: Sequence[Path],
    config: RunConfig,
    folder: RunFolder,
    *,
    told: Mapping[str, str] | None = None,
    dry_run: bool = False,
    say: Callable[[str], object] = lambda text: None,
) -> ImportReport:
    """Import bags into a run; one that cannot be used is refused for itself, and told with its reason.

    Args:
        sources: files and folders of bags, and of runs.
        config: the run.
        folder: its folder.
        told: the bag's topic for a source or command topic of the robot, where names do not tell.
        dry_run: whether nothing is written.
        say: told which bag is read.

    Raises:
        ConfigError: if a source is not there, is the run itself, or is of a run whose numbers mean something else.
    """
    bags = bags_for(sources, config)
    if any(bag.path.resolve() == folder.path.resolve() for bag in bags):
        raise ConfigError(f"{folder.path} cannot be imported into itself: its learner reads its recordings anyway")
    report = ImportReport(folder.path, dry_run)
    for bag in bags:
        say(f"reading {bag.path}")
        report.bags.append(_import(bag, config, folder, told or {}, dry_run=dry_run))
    return report


def bags_for(sources: Sequence[Path], config: RunConfig) -> list[Bag]:
    """The bags that sources lead to.

    Raises:
        ConfigError: if a source is not there or holds no bag, or is of a run whose numbers mean something else.
    """
    check_sources(sources, config)
    return [bag for source in sources for bag in find_bags(source)]


def _import(bag: Bag, config: RunConfig, folder: RunFolder, told: Mapping[str, str], *, dry_run: bool) -> BagReport:
    report = BagReport(bag.path, bag.format)
    report.notes += [f"{path.name} is not read: {reason}" for path, reason in bag.left_out]
    report.notes += [f"{name} is missing, and what it held" for name in bag.missing]
    try:
        if not bag.parts:
            raise ExperienceError("; ".join(reason for _, reason in bag.left_out) or "there are no files in it")
        digest = digest_of(bag.parts)
        target = folder.bags / IMPORTS / f"{digest}.mcap"
        if target.exists() and not dry_run:
            raise ExperienceError(f"it was imported before: {target}")
        with BagFiles(bag) as files:
            late: list[LateLabels] = []
            steps = _steps(files, config, told, digest, report, late)
            if dry_run:
                report.steps = sum(1 for _ in steps)
            else:
                report.steps = _write(steps, late, target, config, report)
        if not report.steps:
            raise ExperienceError(NO_STEPS)
    except (ExperienceError, OSError) as error:
        report.refused, report.steps, report.episodes = str(error), 0, 0
    return report


def _steps(
    files: BagFiles,
    config: RunConfig,
    told: Mapping[str, str],
    digest: str,
    report: BagReport,
    late: list[LateLabels],
) -> Iterator[Step]:
    """The steps of a bag; when all were given, `late` is told the labels of stored ones."""
    recorded = files.topics()
    if not recorded:
        raise ExperienceError(EMPTY)
    if not told and holds_steps(recorded):
        own = OwnBag(files, config, report)
        yield from own.steps()
        late += own.late
    else:
        yield from ForeignBag(files, config, told, report).steps(f"import-{digest}")


def _write(
    steps: Iterable[Step], late: Sequence[LateLabels], target: Path, config: RunConfig, report: BagReport
) -> int:
    """Write steps into a file that appears whole or not at all; returns how many were read back."""
    partial = target.with_name(f".{target.stem}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        written: Counter[str] = Counter()
        with StepWriter(partial, config.action_spec(), namespace(config)) as writer:
            for step in steps:
                writer.write(step)
                written[step.observation.key.session] += 1
            for labels in late:
                writer.write_labels(labels)
        (path,) = partial.glob("*.mcap")
        if not written:
            return 0
        found = _read_back(path, config)
        if found != written:
            raise ExperienceError(f"{path} does not read back as written: {dict(found)} steps, not {dict(written)}")
        path.rename(target)
        report.written = target
        return written.total()
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            target.parent.rmdir()  # A folder without recordings would be told to whoever learns.


def _read_back(path: Path, config: RunConfig) -> Counter[str]:
    """Steps by session."""
    reader = StepReader(config.action_spec(), tuple(config.observation_spec().images))
    found = Counter(step.observation.key.session for step in reader.read_file(path, Survey()))
    return found + Counter(step.observation.key.session for step in reader.finish())


def digest_of(parts: Iterable[Path]) -> str:
    """What tells a bag from others: of its content, whatever it is called."""
    whole = hashlib.sha256()
    for part in parts:
        with part.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:DIGEST_LETTERS]
