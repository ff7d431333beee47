"""Picture of a run's returns over what the robot has lived."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"explore": "#7a8fa6", "evaluate": "#c8501e"}
LABELS = {"explore": "exploring", "evaluate": "evaluated (mode of the policy)"}
MINUTES, STEPS = "minutes the robot has lived", "control steps"
SIZE_INCHES = (7.0, 4.0)
DOTS_PER_INCH = 120


def save_curve(
    episodes: Sequence[Mapping[str, Any]],
    path: Path,
    title: str,
    step_s: float | None,
    expert_return: float | None = None,
) -> None:
    """Draw returns into a PNG file; see `draw_curve`."""
    save(draw_curve(episodes, title, step_s, expert_return), path)


def draw_curve(
    episodes: Sequence[Mapping[str, Any]], title: str, step_s: float | None, expert_return: float | None = None
) -> "Figure":
    """Draw returns by kind of episode, with the expert's as a line.

    Args:
        episodes: lines of metrics, each with `robot_steps`, `return` and `mode`.
        title: title of the picture.
        step_s: duration of one robot step; None draws over control steps, where time means nothing.
        expert_return: mean return of the scripted expert; None where there is none.
    """
    along = MINUTES if step_s is not None else STEPS
    figure, axes = new_picture(title, expert_return, along)
    for mode, colour in COLOURS.items():
        chosen = [(place(e, step_s), e["return"]) for e in episodes if e["mode"] == mode]
        if chosen:
            line = "-o" if mode == "evaluate" else "."
            axes.plot(*zip(*chosen, strict=True), line, color=colour, label=LABELS[mode], markersize=4)
    return figure


def place(line: Mapping[str, Any], step_s: float | None) -> float:
    """Where a line of metrics is drawn: minutes lived, or control steps where time means nothing."""
    if step_s is not None:
        return float(line["robot_steps"]) * step_s / 60.0
    return float(line.get("environment_steps") or line["robot_steps"])


def new_picture(title: str, expert_return: float | None, along: str = MINUTES) -> "tuple[Figure, Axes]":
    """Axes for returns, over minutes if not told otherwise, with the expert's return as a line."""
    # Not at the top: drawing is the workstation's, and the robot's side imports this package too.
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=along, ylabel="return of the episode", title=title)
    axes.grid(alpha=0.3)
    if expert_return is not None:
        axes.axhline(expert_return, color="black", linestyle="--", linewidth=1, label="scripted expert")
    return figure, axes


def save(figure: "Figure", path: Path) -> None:
    """Write the picture, a PNG, with a legend if there is something to tell apart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    add_legend(figure)
    FigureCanvasAgg(figure)
    figure.savefig(path)


def add_legend(figure: "Figure") -> None:
    """Name the lines below the picture, if there is something to tell apart."""
    if figure.axes[0].lines:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
