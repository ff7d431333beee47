"""A person's verdict on episodes that are over, written beside the recordings that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_mbrl import topics
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.experience.cdr import read_joint_state, read_key
from robot_mbrl.experience.folder import find_sessions
from robot_mbrl.experience.message_files import Survey, read_messages
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.labels import Labels, LateLabels
from robot_mbrl.messages import read_named
from robot_mbrl.specs import ActionSpec
from robot_mbrl.steps import StepKey

VERDICTS = "labels"
"""The folder within a run's recordings that holds what was said of them later."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One recorded episode.

    Attributes:
        last: its last step, or the newest that was recorded of it.
        steps: how many.
        reward: what was earned in it.
    """

    last: StepKey
    steps: int
    reward: float


def recorded_episodes(bags: Path, session: str = "") -> list[Episode]:
    """Episodes in the order they were recorded, of one session or of all.

    Args:
        bags: a run's folder of recordings.
        session: whose; empty for all.

    Raises:
        ExperienceError: if a file cannot be opened.
    """
    under_way: dict[str, tuple[StepKey, int, float]] = {}
    found: list[Episode] = []
    for path in find_sessions(bags).paths:
        for message in read_messages(path, lambda topic, _: f"/{topic}".endswith(f"/{topics.OBSERVATION}"), Survey()):
            try:
                key, values = read_key(message.data), read_named(read_joint_state(message.data) or message.decode())
            except MessageError:
                # What cannot be read is told where steps are made of it.
                continue
            before = under_way.get(key.session)
            if session not in ("", key.session) or (before is not None and key.stamp_ns <= before[0].stamp_ns):
                continue
            if before is not None and values.get(topics.IS_FIRST):
                found.append(Episode(*before))
                before = None
            steps, reward = (before[1], before[2]) if before is not None else (0, 0.0)
            under_way[key.session] = key, steps + 1, reward + values.get(topics.REWARD, 0.0)
    return found + [Episode(*rest) for rest in under_way.values()]


def chosen(episodes: Sequence[Episode], number: int) -> Episode:
    """One of the episodes, counted from 1, or from -1 backwards.

    Raises:
        ConfigError: if there are not so many.
    """
    if number == 0 or abs(number) > len(episodes):
        raise ConfigError(f"--episode {number}: {len(episodes)} were recorded; count from 1, or from -1 backwards")
    return episodes[number - 1 if number > 0 else number]


def write_verdict(bags: Path, step: StepKey, labels: Labels, action: ActionSpec, namespace: str) -> LateLabels:
    """Write a verdict on a step where whoever learns from the recordings finds it.

    Args:
        bags: a run's folder of recordings.
        step: the step.
        labels: what is said of it.
        action: the actions' specification.
        namespace: the robot's.
    """
    late = LateLabels(step, labels)
    with StepWriter(bags / VERDICTS, action, namespace) as writer:
        writer.write_labels(late)
    return late
