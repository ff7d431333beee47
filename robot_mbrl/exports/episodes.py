"""The recorded episodes of a run, whole and without gaps, as other formats want them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from robot_mbrl.config import RunConfig
from robot_mbrl.experience.folder import find_sessions
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.steps import GAP_PERIODS, Step

MOST_STEPS = 5000
"""Some robots' episodes never end: after so many steps another begins."""
FEWEST_STEPS = 2
"""One step alone has no action that led anywhere."""


def episodes_of(config: RunConfig, folder: RunFolder) -> Iterator[list[Step]]:
    """What a run's robots lived through, an unbroken episode or part of one at a time.

    Raises:
        ExperienceError: if a file cannot be opened.
    """
    reader = StepReader(config.action_spec(), tuple(config.observation_spec().images))
    paths: list[Path] = list(find_sessions(folder.bags).paths)
    yield from unbroken(reader.read(paths), round(config.step_s * 1e9))


def unbroken(steps: Iterable[Step], step_ns: int) -> Iterator[list[Step]]:
    """Parts of lives without a step missing, each of one session; what several robots lived at once is told apart.

    Args:
        steps: in the order of each session.
        step_ns: nominal time between two, nanoseconds.
    """
    under_way: dict[str, list[Step]] = {}
    for step in steps:
        session = step.observation.key.session
        part = under_way.get(session, [])
        if part and _breaks(part[-1], step, step_ns):
            yield from _worth(part)
            part = []
        part.append(step)
        under_way[session] = part
        if step.observation.is_last or len(part) >= MOST_STEPS:
            yield from _worth(under_way.pop(session))
            if not step.observation.is_last:
                # The step that ends one part begins the next: its observation is what the last action led to.
                under_way[session] = [step]
    for part in under_way.values():
        yield from _worth(part)


def _breaks(before: Step, step: Step, step_ns: int) -> bool:
    apart_ns = step.observation.key.stamp_ns - before.observation.key.stamp_ns
    return step.observation.is_first or not 0 < apart_ns <= GAP_PERIODS * step_ns


def _worth(part: list[Step]) -> Iterator[list[Step]]:
    if len(part) >= FEWEST_STEPS:
        yield part
