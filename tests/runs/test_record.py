"""The figures of a run, from its lines of metrics."""

from typing import Any

from robot_mbrl.runs.record import RunRecord, evaluation


def episode(total: float, *, steps: int = 100, **values: Any) -> dict[str, Any]:
    return {"kind": "episode", "return": total, "robot_steps": steps, "mode": "explore", "solved": False, **values}


def guard(missed_steps: int, **values: Any) -> dict[str, Any]:
    return {"kind": "guard", "missed_steps": missed_steps, **values}


def test_a_summary_has_every_figure_also_before_anything_happened() -> None:
    assert RunRecord().summary() == {
        "robot_steps": 0,
        "environment_steps": 0,
        "updates": 0,
        "episodes": 0,
        "mean_return_last5": None,
        "latency_ms": {"p50": None, "p99": None, "max": None},
        "missed_steps": 0,
        "stopped_steps": 0,
        "returns": [],
        "verdicts": [],
    }


def test_returns_are_told_with_the_control_steps_before_any_repeat() -> None:
    record = RunRecord()
    record.take([episode(1.0, steps=50, environment_steps=100), episode(2.0, steps=100, environment_steps=200)])
    assert record.summary()["returns"] == [[100, 1.0], [200, 2.0]]
    # Over the graph nobody counts them: those of experience stand in.
    other = RunRecord()
    other.take([episode(3.0, steps=70)])
    assert other.summary()["returns"] == [[70, 3.0]]


def test_the_mean_return_is_of_the_last_five_episodes() -> None:
    record = RunRecord()
    record.take(episode(total) for total in (100.0, 1.0, 2.0, 3.0, 4.0, 5.0))
    assert record.summary()["mean_return_last5"] == 3.0


def test_episodes_that_began_stopped_are_left_out() -> None:
    record = RunRecord()
    record.take([episode(1.0, began_stopped=True), episode(2.0, began_stopped=False)])
    assert record.returns() == [2.0]


def test_missed_steps_are_those_of_the_newest_line() -> None:
    record = RunRecord()
    record.take([guard(1), episode(1.0, missed_steps=5), {"kind": "learner"}])
    assert record.missed_steps == 5


def test_interventions_and_latencies_are_the_newest() -> None:
    record = RunRecord()
    record.take([guard(0, latency_p50_ms=1.5, **{"intervention.late": 2.0, "intervention.rate": 0.0})])
    assert record.interventions == {"late": 2}
    assert record.latency_ms["p50"] == 1.5


def test_robot_steps_never_go_back() -> None:
    record = RunRecord()
    record.take([episode(1.0, steps=251), {"kind": "learner", "robot_steps": 249.0, "updates": 7.0}])
    assert record.robot_steps == 251
    assert record.summary()["updates"] == 7


def test_an_evaluation_counts_what_was_solved() -> None:
    verdict = evaluation([episode(1.0, solved=True), episode(3.0)])
    assert verdict == {"episodes": 2, "solved": 1, "mean_return": 2.0}
    assert evaluation([])["mean_return"] is None
