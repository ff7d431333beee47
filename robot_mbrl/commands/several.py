"""What becomes of a run of several tasks: each is judged by itself, as any policy is, and told beside its expert."""

from collections.abc import Mapping, Sequence
from typing import Any

from robot_mbrl.commands.judging import EPISODES, judge_expert, judge_policy, unseen_seed
from robot_mbrl.config import RunConfig
from robot_mbrl.runs.curve import save_curve
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.progress import number
from robot_mbrl.runs.record import evaluation
from robot_mbrl.variety import Variety

TASK = "task"
"""The field of a line of metrics that names the task."""


def judge_each(config: RunConfig, folder: RunFolder, variety: Variety) -> list[dict[str, Any]]:
    """Judge the bundle of each task from unseen starts.

    Args:
        config: a run of several tasks.
        folder: its folder, in which `TaskBundles` has exported.
        variety: how the simulated worlds differ from what they are built as.

    Returns:
        A line of metrics per episode, which names its task.
    """
    return [
        {**line, TASK: member.task.name}
        for member in config.members
        for line in judge_policy(
            member, folder.member(member.task.name).policy, EPISODES, unseen_seed(member), variety=variety
        )
    ]


def verdicts(config: RunConfig, judged: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By task what its policy was found to be worth, of what `judge_each` returned."""
    names = [task.name for task in config.tasks]
    return {name: evaluation([line for line in judged if line[TASK] == name]) for name in names}


def conclude_each(
    config: RunConfig,
    folder: RunFolder,
    judged: Sequence[Mapping[str, Any]],
    episodes: Sequence[Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The verdict on each task with its expert's return, and its curve in its own folder.

    Args:
        config: a run of several tasks.
        folder: its folder.
        judged: what `judge_each` returned.
        episodes: lines of metrics of all that were lived.
        before: what an earlier conclusion returned; experts are not judged again.
    """
    found = verdicts(config, judged)
    for member in config.members:
        name = member.task.name
        expert_return = before.get(name, {}).get("expert_return")
        if expert_return is None:
            expert_return = judge_expert(member, EPISODES, unseen_seed(member))
        found[name]["expert_return"] = expert_return
        lived = [line for line in episodes if line.get(TASK) == name]
        if (own := folder.member(name)).path.is_dir():
            save_curve(lived, own.curve, f"{name}, one of {len(config.members)} tasks", None, expert_return)
    return found


def tell_each(folder: RunFolder, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The verdicts in sentences, and where the policies lie.

    Args:
        folder: the run's folder.
        found: what `conclude_each` returned.
    """
    return [
        f"{name}: solved {verdict['solved']} of {verdict['episodes']} episodes from starts it never trained on; mean "
        f"return {number(verdict['mean_return'])}, the scripted expert's {number(verdict['expert_return'])}; policy: "
        f"{folder.member(name).policy}"
        for name, verdict in found.items()
    ]
