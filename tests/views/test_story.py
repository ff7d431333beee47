"""What a run's folder tells, also of a run that was broken off or whose files are damaged."""

from pathlib import Path

import pytest

from robot_mbrl.runs.folder import RunFolder, read_json, write_json
from robot_mbrl.runs.locking import is_locked, locked
from robot_mbrl.views.story import RunStory, total
from tests.views.runs import episode, guard, learner, make_run

JUDGED = {"evaluation": {"episodes": 10, "solved": 7, "mean_return": 150.5}, "expert_return": 210.0}


def test_interventions_add_up_although_the_guard_was_started_anew(tmp_path: Path) -> None:
    lines = [guard(0, rate=3), guard(9, rate=5, late=2), guard(20, rate=1), guard(30, rate=4, late=1)]
    assert RunStory(make_run(tmp_path, lines)).interventions == {"rate": 9, "late": 3}


@pytest.mark.parametrize(("counts", "sum_"), [([], 0), ([4], 4), ([1, 1, 3], 3), ([5, 2, 2], 7), ([3, 0, 1], 4)])
def test_a_counter_that_begins_anew_goes_on_counting(counts: list[float], sum_: int) -> None:
    assert total(counts) == sum_


def test_changes_of_state_are_told_with_their_reasons(tmp_path: Path) -> None:
    stopped = guard(9, "stopped: stale_joints", "joints on joint_states are stale")
    story = RunStory(make_run(tmp_path, [guard(0), guard(5), stopped, stopped, guard(12)]))
    assert [change.state for change in story.states] == ["moving", "stopped: stale_joints", "moving"]
    assert story.states[1].detail == "joints on joint_states are stale"


def test_time_in_a_state_is_that_until_the_next_report_and_silence_is_no_state(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [guard(0)])
    times = [(0.0, "moving"), (4.0, "disabled"), (9.0, "moving"), (109.0, "moving")]
    text = [f'{{"kind": "guard", "time": {at}, "state": "{state}"}}\n' for at, state in times]
    folder.metrics.write_text("".join(text))
    assert RunStory(folder).seconds_by_state == {"unknown": 100.0, "disabled": 5.0, "moving": 4.0}


def test_a_finished_run_says_what_was_learned(tmp_path: Path) -> None:
    story = RunStory(make_run(tmp_path, [episode(251, 20.0), learner(251, 60)], summary=JUDGED))
    assert "solved 7 of 10" in story.verdict
    assert "150.5" in story.verdict
    assert "210.0" in story.verdict
    assert story.state.startswith("finished")
    assert story.troubles == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "no update was made in 0 steps"),
        ([episode(251, 20.0)], "no update was made in 251 steps"),
        ([learner(120, 60)], "No episode was finished in 120 steps"),
        ([episode(251, 20.0), learner(251, 60)], "the newest episodes return 20.0"),
    ],
)
def test_a_run_that_was_broken_off_says_how_far_it_came(tmp_path: Path, lines: list, says: str) -> None:
    story = RunStory(make_run(tmp_path, lines))
    assert says in story.verdict
    assert story.state.startswith("broken off")
    assert story.troubles


def test_a_run_that_ended_before_it_had_a_policy_was_not_broken_off(tmp_path: Path) -> None:
    story = RunStory(make_run(tmp_path, [episode(251, 20.0)], summary={"evaluation": {"episodes": 0}, "wall_s": 9.0}))
    assert story.state.startswith("ended without a verdict")


def test_a_run_that_somebody_goes_on_with_is_running(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [episode(251, 20.0)])
    assert not is_locked(folder)
    with locked(folder):
        assert RunStory(folder).state.startswith("still running")
    assert not RunStory(folder).running


def test_damaged_files_are_named_and_the_rest_is_told(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [episode(251, 20.0), learner(251, 60)], summary=JUDGED | {"task": "cartpole"})
    folder.config.write_text("task: [")
    folder.summary.write_text("{")
    with folder.metrics.open("a") as file:
        file.write('{"kind": "epis')
    story = RunStory(folder)
    assert len(story.troubles) == 3
    assert story.record.returns() == [20.0]
    assert story.task == "unknown task"


def test_faults_are_what_the_run_counted_and_was_told(tmp_path: Path) -> None:
    summary = JUDGED | {"restarts": {"policy": 2, "sensor": 0}, "faults": ["the servo lags"]}
    lines = [learner(10, 1, left_out=0.2, half_steps=3.0, **{"not_finite.reward": 4.0})]
    faults = " | ".join(RunStory(make_run(tmp_path, lines, summary=summary)).faults)
    for said in ("the servo lags", "policy node was started anew 2 times", "half steps: 3", "4 steps", "left out"):
        assert said in faults
    assert "sensor" not in faults


def test_of_a_budget_how_far_it_is_is_nothing_that_was_learned(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [learner(100, 2, updates_in_all=500.0, model_loss=2.0)])
    assert RunStory(folder).learned_by() == ["model_loss"]


def test_warnings_that_differ_by_figures_only_are_one(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [])
    said = [f"[WARN] [179.{k}] [cartpole.sensor]: joints are {k} s old" for k in range(5)]
    (folder.logs / "sensor.log").write_text("\n".join([*said, "[INFO] [1] [cartpole.sensor]: observing"]))
    (warning,) = RunStory(folder).warnings
    assert (warning.node, warning.level, warning.count) == ("sensor", "WARN", 5)
    assert warning.text == "joints are 4 s old"


def test_versions_are_those_that_the_run_began_with(tmp_path: Path) -> None:
    folder = make_run(tmp_path, [])
    assert {"robot-mbrl", "python", "numpy"} <= read_json(folder.versions).keys()
    write_json(folder.versions, {"torch": "1.0"})
    assert RunStory(RunFolder.open(folder.path)).versions == {"torch": "1.0"}
