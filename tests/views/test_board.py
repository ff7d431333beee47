"""The figures of a run's page are those of the run, also while it goes on, and in bounded memory."""

import math
from collections.abc import Mapping
from pathlib import Path

from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.metrics import MetricsLog
from robot_mbrl.views import board as board_module
from robot_mbrl.views.board import POINTS, SILENT_S, Board, Curve
from tests.views.runs import episode, guard, learner, make_run

NAMES = ("run", "task", "state", "returns", "updates", "policy_version", "policy_age_s", "latency_ms", "guard")


class Graph:
    """What a running graph tells, as a test has it."""

    def __init__(self) -> None:
        self.sentence, self.age_s = "moving", 0.1
        self.values: dict[str, float] = {}

    def said(self) -> tuple[str, float | None]:
        return self.sentence, self.age_s

    def newest_step(self) -> tuple[Mapping[str, float], float | None]:
        return self.values, 0.2

    def pictures(self) -> list[str]:
        return ["camera"]

    def picture(self, name: str) -> tuple[bytes, float] | None:
        return b"jpeg", 0.3


def add(folder: RunFolder, *lines: tuple) -> None:
    with MetricsLog(folder.metrics) as log:
        for kind, values in lines:
            log.append(kind, values, 0)


def test_the_state_of_a_finished_run_has_the_names_that_others_rely_on(tmp_path: Path) -> None:
    lines = [
        *(episode(251 * k, 10.0 * k) for k in (1, 2)),
        learner(502, 40),
        ("bundle", {"version": 6, "robot_steps": 400}),
        guard(502, rate=3, late=1),
    ]
    folder = make_run(tmp_path / "night", lines, summary={"task": "cartpole"})
    state = Board(folder).state()
    assert tuple(state) == NAMES
    assert (state["run"], state["task"], state["state"]) == ("night", "cartpole", "finished")
    assert state["returns"] == [[251, 10.0], [502, 20.0]]
    assert (state["updates"], state["policy_version"]) == (40, 6)
    assert state["latency_ms"] == {"p50": 2.0, "p99": 6.0}
    assert state["guard"] == {"rate": 3, "late": 1}
    assert 0.0 <= state["policy_age_s"] < 5.0


def test_a_run_of_which_nothing_is_known_yet_has_no_figures(tmp_path: Path) -> None:
    state = Board(make_run(tmp_path, [])).state()
    assert tuple(state) == NAMES
    assert state["state"] == "broken off"
    assert (state["returns"], state["guard"], state["policy_age_s"]) == ([], {}, None)
    assert state["latency_ms"] == {"p50": None, "p99": None}


def test_what_is_added_to_a_run_is_shown(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(board_module, "REFRESH_S", 0.0)
    folder = make_run(tmp_path, [episode(251, 10.0), guard(251, rate=3)])
    board = Board(folder)
    assert board.state()["returns"] == [[251, 10.0]]
    # The guard was started anew: it counts from 0 again.
    add(folder, episode(502, 12.0, mode="evaluate"), guard(502, rate=2), learner(502, 7, model_loss=0.5))
    assert board.state()["returns"] == [[251, 10.0], [502, 12.0]]
    assert board.state()["guard"] == {"rate": 5}
    assert board.details()["return"] == 12.0
    assert board.history() == {
        "returns": {"explore": [[251, 10.0]], "evaluate": [[502, 12.0]]},
        "metrics": {"model_loss": [[502, 0.5]], "train_ratio": [[502, 250.0]]},
    }


def test_a_policy_that_is_announced_again_is_no_younger(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [])
    lines = [(100.0, 1), (160.0, 1), (190.0, 1)]
    text = [f'{{"kind": "bundle", "time": {at}, "version": {version}}}\n' for at, version in lines]
    folder.metrics.write_text("".join(text))
    assert Board(folder).state()["policy_age_s"] == 90.0


def test_a_running_robot_says_what_it_does_and_silence_is_no_state(tmp_path: Path) -> None:
    folder, graph = make_run(tmp_path, [guard(0, "stopped: late", "no action in time")]), Graph()
    with locked(folder):
        assert Board(folder).state()["state"] == "stopped: late: no action in time"
        assert Board(folder, graph).state()["state"] == "moving"
        graph.age_s = SILENT_S + 5.0
        assert Board(folder, graph).state()["state"].startswith("unknown: the guard is silent for 17 s")
    write_json(folder.summary, {"task": "cartpole"})
    assert Board(folder, graph).state()["state"] == "finished"


def test_a_run_whose_nodes_have_ended_says_so_until_it_is_concluded(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [guard(0)])
    write_json(folder.processes, {})
    with locked(folder):
        assert Board(folder).state()["state"].startswith("its nodes have ended")


def test_a_run_without_a_robot_is_learning_while_it_goes_on(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [learner(10, 1)])
    with locked(folder):
        assert Board(folder).state()["state"] == "learning"


def test_a_figure_of_a_step_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    graph = Graph()
    graph.values = {"reward": math.nan, "pole_cos": 1.0, "cart_velocity": math.inf}
    assert Board(make_run(tmp_path, []), graph).details()["step"] == {"pole_cos": 1.0}


def test_only_pictures_that_there_are_can_be_asked_for(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [])
    assert Board(folder, Graph()).picture("camera") == (b"jpeg", 0.3)
    assert Board(folder, Graph()).picture("../config.yaml") is None
    assert Board(folder).picture("camera") is None


def test_a_curve_keeps_its_whole_length_in_bounded_memory() -> None:
    curve = Curve()
    for step in range(100 * POINTS):
        curve.add(step, float(step))
        assert len(curve.points) <= POINTS
    assert len(curve.points) >= POINTS // 2
    steps = [step for step, _ in curve.points]
    assert steps[0] == 0
    assert steps[-1] > 98 * POINTS
    assert len({after - before for before, after in zip(steps, steps[1:], strict=False)}) == 1
