"""What the runs of a comparison add up to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_mbrl.runs.comparison import Cell, Outcome, Plan, band, row
from robot_mbrl.runs.comparison_picture import save_picture
from robot_mbrl.runs.peers import Peer

PLAN = Plan(("cartpole",), ("dreamer-cpu",), (0, 1, 2), 1000, Path("out"))
CELL = Cell("cartpole", "dreamer-cpu", 0)


def outcome(returns: list[tuple[int, float]], verdicts: list[dict[str, Any]] | None = None, **more: Any) -> Outcome:
    return Outcome(CELL, {"environment_steps": 1000, "returns": returns, "verdicts": verdicts or [], **more})


def verdict(steps: int, solved: int, mean_return: float = 0.0) -> dict[str, Any]:
    return {"environment_steps": steps, "solved": solved, "mean_return": mean_return}


def line(*outcomes: Outcome) -> dict[str, Any]:
    return row(PLAN, "cartpole", "dreamer-cpu", outcomes)


def test_runs_come_seed_by_seed_so_that_every_agent_is_known_early():
    plan = Plan(("a", "b"), ("x", "y"), (0, 1), 10, Path("out"))
    assert [cell.seed for cell in plan.cells()] == [0] * 4 + [1] * 4
    assert len({cell.folder(plan.out).path for cell in plan.cells()}) == 8


def test_folders_can_be_made_of_every_name():
    folder = Cell("gym:dm_control/walker-walk-v0", "my/own.yaml", 3).folder(Path("out"))
    assert folder.path.relative_to(Path("out").absolute()) == Path("gym-dm_control-walker-walk-v0/own/seed3")


def test_the_final_return_is_the_mean_over_the_last_tenth():
    assert outcome([(500, 0.0), (890, 5.0), (910, 10.0), (1000, 20.0), (1010, 99.0)]).final(1000) == 15.0


def test_where_no_episode_ended_there_the_last_one_counts():
    assert outcome([(300, 1.0), (600, 4.0)]).final(1000) == 4.0
    assert outcome([]).final(1000) is None


def test_frozen_policies_count_where_they_were_judged():
    assert outcome([(1000, 5.0)], [verdict(500, 0, 1.0), verdict(1000, 9, 80.0)]).final(1000) == 80.0


def test_steps_to_solved_is_the_median_over_seeds_and_unknown_if_most_never_did():
    early, late = outcome([], [verdict(100, 7), verdict(200, 8)]), outcome([], [verdict(100, 0), verdict(900, 10)])
    never = outcome([], [verdict(1000, 7)])
    assert line(early, late, never)["steps_to_solved"] == 900
    assert line(early, never, never)["steps_to_solved"] is None
    assert line(early)["steps_to_solved"] == 200


def test_a_line_has_all_fields_also_where_nothing_is_known():
    found = line(outcome([(1000, 2.0)], wall_s=10.0), outcome([(1000, 4.0)], wall_s=20.0))
    assert found | {"low": None, "high": None} == {
        "task": "cartpole",
        "agent": "dreamer-cpu",
        "seeds": 2,
        "steps": 1000,
        "return_iqm": 3.0,
        "low": None,
        "high": None,
        "steps_to_solved": None,
        "wall_s": 15.0,
    }
    assert 2.0 <= found["low"] <= found["high"] <= 4.0
    assert line(outcome([]))["return_iqm"] is None


def test_a_curve_holds_the_mean_return_since_the_point_before():
    curve = outcome([(120, 1.0), (190, 3.0), (420, 8.0)]).curve(np.array([100.0, 200.0, 300.0, 400.0, 500.0]))
    assert np.isnan(curve[0])
    assert curve[1:].tolist() == [2.0, 2.0, 2.0, 8.0]


def test_a_band_leaves_out_runs_that_have_no_return_yet():
    grid = np.array([100.0, 200.0])
    found = band([outcome([(90, 2.0)]), outcome([(150, 6.0)])], grid)
    assert found[0].tolist() == [2.0, 2.0, 2.0]
    assert found[1, 0] == pytest.approx(4.0)


@pytest.mark.parametrize("tasks", [("cartpole",), ("cartpole", "pendulum", "reacher", "cartpole-positions")])
def test_nothing_of_the_picture_is_cut_off(tasks: tuple[str, ...], tmp_path: Path):
    agents = ("dreamer-cpu", "dreamer-v1-cpu", "daydreamer-cpu", "dreamerv3-cpu")
    plan = Plan(tasks, agents, (0,), 1000, tmp_path)
    runs = {(task, agent): [outcome([(500, 1.0), (1000, 2.0)])] for task in tasks for agent in agents}
    peer = Peer("cartpole", "a method of somebody else", np.array([0.0, 1000.0]), np.array([0.0, 3.0]))
    figure = save_picture(plan, runs, [peer], tmp_path / "curves.png")
    (legend,) = figure.legends
    inside = legend.get_window_extent()
    assert len(legend.get_texts()) == 5
    assert inside.x0 >= 0.0
    assert inside.x1 <= figure.bbox.width
    assert inside.y0 >= 0.0
    # Beside a legend in several rows, the panels keep their size.
    assert figure.axes[0].get_window_extent().height > 200.0
