"""Picture of a comparison: a panel per task, a line per agent with its interval, published curves dashed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robot_mbrl.runs.comparison import Outcome, Plan, band, grid_of
from robot_mbrl.runs.curve import DOTS_PER_INCH
from robot_mbrl.runs.peers import Peer, task_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
PANEL_INCHES = (4.2, 3.2)
LEGEND_MARGIN_INCHES, LEGEND_ROW_INCHES = 0.3, 0.22


def save_picture(
    plan: Plan, outcomes: Mapping[tuple[str, str], Sequence[Outcome]], peers: Sequence[Peer], path: Path
) -> "Figure":
    """Draw it into a PNG file, and return what was drawn; see `draw_comparison`."""
    # Not at the top: drawing is the workstation's, and the robot's side imports this package too.
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw_comparison(plan, outcomes, peers)
    FigureCanvasAgg(figure)
    figure.savefig(path)
    return figure


def draw_comparison(
    plan: Plan, outcomes: Mapping[tuple[str, str], Sequence[Outcome]], peers: Sequence[Peer]
) -> "Figure":
    """Draw it.

    Args:
        plan: what was compared.
        outcomes: finished runs by task and agent.
        peers: published curves.
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(plan.tasks))
    rows = -(-len(plan.tasks) // columns)
    figure = Figure(dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, task in zip(panels, plan.tasks, strict=False):
        _draw_task(axes, plan, task, {agent: outcomes.get((task, agent), ()) for agent in plan.agents}, peers)
    for axes in panels[len(plan.tasks) :]:
        axes.set_axis_off()
    lines = {line.get_label(): line for axes in panels for line in axes.lines}
    # No wider than the panels: a legend that is would be cut off.
    legend_rows = -(-len(lines) // columns)
    figure.set_size_inches(
        columns * PANEL_INCHES[0], rows * PANEL_INCHES[1] + LEGEND_MARGIN_INCHES + legend_rows * LEGEND_ROW_INCHES
    )
    if lines:
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw_task(
    axes: "Axes", plan: Plan, task: str, outcomes: Mapping[str, Sequence[Outcome]], peers: Sequence[Peer]
) -> None:
    grid = grid_of(plan.steps)
    for number, (agent, runs) in enumerate(outcomes.items()):
        if not runs:
            continue
        values = band(runs, grid)
        axes.plot(grid, values[:, 0], color=f"C{number}", label=agent)
        axes.fill_between(grid, values[:, 1], values[:, 2], color=f"C{number}", alpha=0.2, linewidth=0)
    methods = sorted({peer.method for peer in peers})
    for peer in (peer for peer in peers if peer.task == task_key(task)):
        within = peer.steps <= plan.steps
        colour = f"C{len(plan.agents) + methods.index(peer.method)}"
        axes.plot(peer.steps[within], peer.returns[within], "--", color=colour, label=f"{peer.method} (published)")
    axes.set(title=task, xlabel="control steps", ylabel="return", xlim=(0, plan.steps))
    axes.grid(alpha=0.3)
