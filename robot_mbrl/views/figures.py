"""The figures of a report, as pictures that a page holds in itself."""

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from robot_mbrl.runs.comparison import Cell, Outcome, Plan
from robot_mbrl.runs.comparison_picture import draw_comparison
from robot_mbrl.runs.curve import add_legend, draw_curve, place
from robot_mbrl.views.story import RunStory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 300
"""Points of a line; more would be closer than a page can show."""
COLUMNS, PANEL_INCHES = 4, (2.6, 1.6)
COLOUR = "#2f6db3"
MINUTES, STEPS = "minutes", "control steps"


def returns(story: RunStory) -> str:
    """Returns of all episodes, over the time lived, as a data URI."""
    title = f"{story.task}, {story.agent}, seed {story.seed}"
    figure = draw_curve(story.record.episodes, title, story.step_s, story.summary.get("expert_return"))
    if points := verdicts(story):
        label = "frozen policy, judged on the way"
        figure.axes[0].plot(*zip(*points, strict=True), "-s", color="black", markersize=4, label=label)
    add_legend(figure)
    return svg(figure)


def verdicts(story: RunStory) -> list[tuple[float, float]]:
    """When frozen policies were judged on the way, as `place` has it, and their mean returns."""
    control_s = story.control_period_s
    return [
        (verdict["environment_steps"] * (1.0 if control_s is None else control_s / 60.0), verdict["mean_return"])
        for verdict in story.record.verdicts
        if verdict.get("mean_return") is not None
    ]


def comparison(stories: Sequence[RunStory]) -> str:
    """Returns of several runs, a panel per task and a line with its interval per agent, as a data URI."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for story in stories:
        summary = story.record.summary()
        outcome = Outcome(Cell(story.task, story.agent, story.seed), summary)
        if outcome.points:
            found.setdefault((story.task, story.agent), []).append(outcome)
    outcomes = [outcome for group in found.values() for outcome in group]
    steps = int(max((at for outcome in outcomes for at, _ in outcome.points), default=1))
    tasks, agents = (tuple(dict.fromkeys(names)) for names in (zip(*found, strict=True) if found else ((), ())))
    plan = Plan(tasks or (stories[0].task,), agents, (), steps, stories[0].folder.path)
    return svg(draw_comparison(plan, found, ()))


def learning(story: RunStory) -> str | None:
    """A small panel for each figure that the learner learns by, as a data URI; None where it has reported none."""
    lines, names = story.of_kind("learner"), story.learned_by()
    places = [place(line, story.step_s) for line in lines]
    panels = [(name, list(zip(places, (line.get(name) for line in lines), strict=True))) for name in names]
    panels = [(name, points) for name, points in panels if any(value is not None for _, value in points)]
    return _grid(panels, story.step_s) if panels else None


def timing(story: RunStory) -> str | None:
    """Latency, train ratio and rate of updates over the time lived, as a data URI; None where nothing was measured."""
    kinds = {"guard": ("latency_p50_ms", "latency_p99_ms", "late"), "learner": ("train_ratio", "updates_per_s")}
    panels = [
        (name, [(place(line, story.step_s), line[name]) for line in story.of_kind(kind) if name in line])
        for kind, names in kinds.items()
        for name in names
    ]
    panels = [(name, points) for name, points in panels if points]
    return _grid(panels, story.step_s) if panels else None


def svg(figure: "Figure") -> str:
    """A figure as a data URI: a picture that can be enlarged, in no file of its own."""
    import matplotlib

    # Letters stay letters, which takes a tenth of the room; and the same figure is the same text.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "robot-mbrl"}), io.BytesIO() as buffer:
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _grid(panels: Sequence[tuple[str, Sequence[tuple[float, float | None]]]], step_s: float | None) -> str:
    from matplotlib.figure import Figure

    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(COLUMNS * PANEL_INCHES[0], rows * PANEL_INCHES[1] + 0.3), layout="constrained")
    every = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for axes, (name, points) in zip(every, panels, strict=False):
        known = _thinned([(at, value) for at, value in points if value is not None])
        axes.plot(*zip(*known, strict=True), color=COLOUR, linewidth=1)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.3)
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel(f"{MINUTES if step_s is not None else STEPS} lived", fontsize=8)
    return svg(figure)


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most so many points as can be told apart, each the mean of its neighbours."""
    if len(points) <= POINTS:
        return points
    return [tuple(part.mean(0).tolist()) for part in np.array_split(np.array(points, float), POINTS)]
