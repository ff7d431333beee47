"""`import`, `export` and `sessions` as programs use them: JSON on standard output, exit codes, nothing else changed."""

import json
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.learning.verdicts import merge
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.journal import read_journal
from tests.imports.bags import COMMANDS, drive, renamed, write
from tests.imports.test_own_runs import EPISODE, STEP_NS, lived, recorded

CONFIG = load_run("cartpole")


def output(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    """What a command prints as JSON."""
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_bag_is_tried_imported_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bag, run = write(tmp_path / "bag", drive()), tmp_path / "run"
    words = ["import", str(bag), "--run", str(run), "--task", "cartpole"]
    dry = output(capsys, *words, "--dry-run")
    assert (dry["steps"], dry["episodes"], dry["dropped"]) == (41, 1, {})
    assert not run.exists()
    done = output(capsys, *words)
    assert (done["steps"], done["episodes"]) == (41, 1)
    assert Path(done["bags"][0]["written"]).parent == run / "bags" / "imports"
    told = output(capsys, "sessions", str(run))
    (session,) = told["sessions"]
    assert session["imported"]
    assert str(session["began"]).startswith("2023-11-14T")
    assert (session["steps"], session["episodes"]) == (41, 1)
    assert session["sources"] == {"teleop": {"steps": 41, "minutes": 0.03}}
    assert [(act["what"], act["how"]) for act in told["acts"]] == [("import", "done")]
    assert told["acts"][0]["settings"]["task"] == "cartpole"


def test_a_refused_bag_is_told_with_its_reason_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    RunFolder.create(CONFIG, tmp_path / "run")
    good = write(tmp_path / "good", drive())
    bad = write(tmp_path / "bad", renamed(drive(), {COMMANDS: "/lamp"})[::2])
    done = output(capsys, "import", str(good), str(bad), "--run", str(tmp_path / "run"), code=1)
    assert [bool(bag["refused"]) for bag in done["bags"]] == [False, True]
    assert done["steps"] == 41
    (act,) = read_journal(RunFolder(tmp_path / "run").journal)
    assert (act.how, act.settings.keys()) == ("1 of 2 bags refused", {"bags", "folder"})


@pytest.mark.parametrize("kind", ["nothing there", "no bag in it", "another robot's run"])
def test_a_run_is_not_begun_for_what_cannot_be_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str):
    source = tmp_path / "source"
    if kind == "no bag in it":
        source.mkdir()
    elif kind == "another robot's run":
        RunFolder.create(load_run("pendulum"), source)
    assert main(["import", str(source), "--run", str(tmp_path / "run"), "--task", "cartpole"]) == 2
    assert str(source) in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_people_are_told_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = str(tmp_path / "run")
    assert main(["import", str(write(tmp_path / "bag", drive())), "--run", run, "--task", "cartpole"]) == 0
    said = capsys.readouterr().out
    assert "time: the stamps of the messages" in said
    assert f"41 steps in 1 episodes imported into {run}" in said
    assert main(["sessions", run]) == 0
    said = capsys.readouterr().out
    assert "1 episodes; teleop 0.03 min" in said
    assert "1 recordings" in said


def test_recordings_go_only_when_nothing_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = recorded(tmp_path / "run", lived())
    with StepWriter(folder.bags, CONFIG.action_spec(), "/cartpole") as writer:
        for step in lived()[EPISODE:]:
            writer.write(step)
    told = output(capsys, "sessions", str(folder.path), "--keep", "0.001MB")
    assert told["removed"] == []
    assert [session["began"] for session in told["sessions"]] == [None], "simulated time is none of the calendar"
    assert [file["needed"] for file in told["files"]] == [
        "there is no checkpoint: all that was learned can only be learned again from it",
        "it is the newest, or is being written",
    ]
    assert len(list(folder.bags.glob("*.mcap"))) == 2


def test_what_was_removed_stands_in_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = recorded(tmp_path / "run", lived()[:EPISODE])
    (oldest,) = folder.bags.glob("*.mcap")
    replay = Replay(CONFIG.observation_spec(), CONFIG.action_spec(), EPISODE, step_ns=STEP_NS)
    with StepWriter(folder.bags, CONFIG.action_spec(), "/cartpole") as writer:
        for step in lived()[EPISODE:]:
            writer.write(step)
    for step in lived():
        replay.append(step)
    replay.save(folder.checkpoints / "replay-1.npz")
    write_json(folder.checkpoints / "checkpoint.json", {"replay": "replay-1.npz"})
    words = ["sessions", str(folder.path), "--keep", "0.001MB"]
    assert output(capsys, *words, "--dry-run")["removed"] == output(capsys, *words)["removed"] == [str(oldest)]
    assert not oldest.exists()
    (act,) = output(capsys, "sessions", str(folder.path))["acts"]
    assert (act["what"], act["settings"]["keep"], act["how"]) == ("sessions --keep", ["0.001MB"], "done")


def test_a_verdict_of_the_evening_is_learned_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = recorded(tmp_path / "run", lived())
    told = output(capsys, "label", str(folder.path), "--failure", "--reward", "-2", "--episode", "2")
    assert (told["episode"], told["steps"], told["labels"]) == (2, EPISODE, {"reward": -2.0, "failure": 1.0})
    assert main(["label", str(folder.path), "--success"]) == 0
    assert "episode 3 of 3 (10 steps, reward 70): success 1" in capsys.readouterr().out
    replay = Replay(CONFIG.observation_spec(), CONFIG.action_spec(), 100, step_ns=STEP_NS)
    for _ in range(2):
        filling = fill_replay(replay, folder.bags, label=lambda late: merge([replay], late, only_reward=True))
        assert (filling.unread, filling.malformed) == ({}, {})
        assert replay.rows["reward"][[EPISODE - 1, 2 * EPISODE - 1, 3 * EPISODE - 1]].tolist() == [7.0, 5.0, 8.0]
        assert replay.rows["is_terminal"][: 3 * EPISODE].nonzero()[0].tolist() == [2 * EPISODE - 1]


def test_a_verdict_says_something_of_an_episode_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = recorded(tmp_path / "run", lived())
    for words, complaint in (
        (["--episode", "4", "--success"], "3 were recorded"),
        ([], "say what it was"),
        (["--success", "--failure"], "--success and --failure contradict one another"),
        (["--success", "--session", "elsewhere"], "no episode of session 'elsewhere' was recorded"),
    ):
        assert main(["label", str(folder.path), *words]) == 2
        assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("reward", ["nan", "inf", "much"])
def test_a_reward_that_is_no_number_is_refused_before_it_is_learned_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reward: str
):
    folder = recorded(tmp_path / "run", lived())
    with pytest.raises(SystemExit):
        main(["label", str(folder.path), f"--reward={reward}"])
    assert "argument --reward" in capsys.readouterr().err
    assert not (folder.bags / "labels").exists()


def test_a_run_is_exported_and_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("pyarrow", reason="robot-mbrl[lerobot] is not installed")
    folder = recorded(tmp_path / "run", lived())
    words = ["export", str(folder.path), "--to", "lerobot", "--out", str(tmp_path / "set")]
    assert output(capsys, *words) == {
        "episodes": 3,
        "frames": 3 * (EPISODE - 1),
        "left_out": {},
        "out": str(tmp_path / "set"),
    }
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
