"""A bag with our own topics: steps as they were collected, judged anew where another task judged them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from robot_mbrl import topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.message_files import RecordedMessage, Survey
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.imports.report import BagReport
from robot_mbrl.imports.storage import BagFiles
from robot_mbrl.labels import LateLabels
from robot_mbrl.steps import Step
from robot_mbrl.tasks import make_task

RATE_TOLERANCE = 0.05
"""How far a recording's rate may be from the run's."""
RATE_STEPS = 200
"""Steps whose distance tells the rate."""
SHOWN = 3


def holds_steps(recorded: dict[str, str]) -> bool:
    """Whether a bag's topics are ours: steps can be read as they are.

    Args:
        recorded: types by topic.
    """
    ours = (topics.OBSERVATION, topics.APPLIED_ACTION)
    kinds = {kind: [name for name, of in recorded.items() if f"/{name}".endswith(f"/{kind}")] for kind in ours}
    return all(any(recorded[name] == topics.JOINT_STATE for name in names) for names in kinds.values())


class OwnBag:
    """Reads the steps of one of our recordings."""

    def __init__(self, files: BagFiles, config: RunConfig, report: BagReport) -> None:
        """Prepare.

        Args:
            files: the bag, opened.
            config: the run that it is read for.
            report: is told what was found.
        """
        self._files, self._config, self._report = files, config, report
        self.late: list[LateLabels] = []
        """Labels of stored steps, once all steps were read."""
        report.kind, report.axis = "steps", "the stamps of the steps"
        self._same = self._is_judged_alike(files.bag.path)
        if not self._same:
            report.notes.append(f"judged anew by {config.task.task}: labels of people are left out")
        if not self._same and config.task.action_repeat > 1:
            raise ExperienceError(
                f"task.action_repeat is {config.task.action_repeat}, and another task has judged it: what happened "
                f"between two steps is not in it, and cannot be judged anew"
            )

    def steps(self) -> Iterator[Step]:
        """The steps, in the sessions that they were recorded in."""
        config, report = self._config, self._report
        reader = StepReader(config.action_spec(), tuple(config.observation_spec().images))
        judge = _Judge(config, anew=not self._same)
        seen: dict[str, int] = {}
        surveys: dict[Path, Survey] = {}
        messages = (message for _, message in self._files.messages(reader.wants, surveys))
        for step in _at_rate(_all(reader, messages), config.step_s):
            key = step.observation.key
            if key.stamp_ns <= seen.get(key.session, -1):
                report.dropped["repeated step"] += 1
                continue
            seen[key.session] = key.stamp_ns
            _require_observed(step, config)
            judged = judge.judge(step)
            report.episodes += judged.observation.is_first
            yield judged
        report.dropped += Counter({"a part of it was not recorded": reader.dropped}) + reader.malformed
        report.notes += [f"{path.name}: {survey.loss}" for path, survey in surveys.items() if survey.loss]
        if self._same:
            self.late = reader.late
        if reader.lacking:
            report.missing |= dict.fromkeys(reader.lacking, "nothing on any topic that ends so")

    def _is_judged_alike(self, path: Path) -> bool:
        """Whether the task of the run that recorded it judges as this one's; of a bag alone that is not known."""
        if not self._files.bag.is_run:
            self._report.notes.append("it does not say what its actions mean: they are taken for this robot's")
            return False
        there = load_run(path).task
        here = self._config.task
        return (there.task, there.goal) == (here.task, here.goal)


class _Judge:
    """Judges the observations of recorded episodes."""

    def __init__(self, config: RunConfig, *, anew: bool) -> None:
        self._task = make_task(config.task.task)
        self._anew = anew
        self._begins = True

    def judge(self, step: Step) -> Step:
        """The step, as this task judges it."""
        if not self._anew:
            return step
        seen = step.observation
        is_first = seen.is_first or self._begins
        if is_first:
            self._task.reset()
        judgement = self._task.judge(seen.values)
        is_last = seen.is_last or judgement.is_terminal
        self._begins = is_last
        judged = replace(
            seen,
            reward=0.0 if is_first else judgement.reward,
            is_first=is_first,
            is_last=is_last,
            is_terminal=judgement.is_terminal,
            success=judgement.success,
        )
        action = step.action
        if is_last and not seen.is_last:
            # What was done from there on led to nothing that counts.
            action = replace(action, values=np.zeros_like(action.values))
        return Step(judged, action)


def _all(reader: StepReader, messages: Iterator[RecordedMessage]) -> Iterator[Step]:
    yield from reader.read_messages(messages)
    yield from reader.finish()


def _at_rate(steps: Iterator[Step], step_s: float) -> Iterator[Step]:
    """The same steps, unless they are of another rate.

    Raises:
        ExperienceError: naming both rates.
    """
    first: list[Step] = []
    for step in steps:
        first.append(step)
        if len(first) == RATE_STEPS:
            break
    keys = [step.observation.key for step in first]
    apart_s = [(b.stamp_ns - a.stamp_ns) / 1e9 for a, b in zip(keys, keys[1:], strict=False) if a.session == b.session]
    if apart_s and abs((usual_s := float(np.median(apart_s))) / step_s - 1.0) > RATE_TOLERANCE:
        raise ExperienceError(f"its steps come at {1 / usual_s:.3g} Hz, and this run's at {1 / step_s:.3g} Hz")
    yield from first
    yield from steps


def _require_observed(step: Step, config: RunConfig) -> None:
    """Refuse a recording that lacks what the run observes or judges by.

    Raises:
        ExperienceError: naming it.
    """
    wanted = {*config.observation_spec().element_names, *make_task(config.task.task).reads}
    if lacking := sorted(wanted - step.observation.values.keys()):
        raise ExperienceError(f"its observations lack {', '.join(lacking)}")
