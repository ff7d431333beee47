"""A run's folder is made once, found again, and never overwritten."""

import os
from pathlib import Path

import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder, read_json, write_json
from tests.experience.session_files import limited_file_size


def test_a_new_run_saves_its_resolved_configuration(tmp_path: Path) -> None:
    config = load_run("cartpole", {"task.episode_steps": 20}, seed=3)
    folder = RunFolder.create(config, tmp_path / "run")
    assert load_run(folder.path) == config
    assert folder.bags.is_dir()
    assert folder.checkpoints.is_dir()


def test_without_a_name_the_folder_says_task_date_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(load_run("cartpole", seed=7))
    assert folder.path.is_absolute()
    assert folder.path.parent == tmp_path / "runs"
    assert folder.path.name.startswith("cartpole-20")
    assert folder.path.name.endswith("-seed7")


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    RunFolder.create(load_run("cartpole"), tmp_path)
    with pytest.raises(ConfigError, match="already holds a run: continue it with --resume"):
        RunFolder.create(load_run("cartpole"), tmp_path)


def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"/file/run cannot be made a run's folder: Not a directory; name another"):
        RunFolder.create(load_run("cartpole"), tmp_path / "file" / "run")


def test_a_folder_that_a_full_disk_left_half_made_is_not_in_the_way_of_the_next_try(tmp_path: Path) -> None:
    with limited_file_size(1000), pytest.raises(ConfigError, match="cannot be made a run's folder: File too large"):
        RunFolder.create(load_run("cartpole"), tmp_path / "run")
    RunFolder.create(load_run("cartpole"), tmp_path / "run")
    assert load_run(RunFolder.open(tmp_path / "run").path) == load_run("cartpole")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    for use in (lambda path: RunFolder.create(load_run("cartpole"), path), RunFolder.open):
        with pytest.raises(ConfigError, match="/closed/run cannot be .*: Permission denied"):
            use(tmp_path / "closed" / "run")


def test_opening_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.yaml"):
        RunFolder.open(tmp_path)


def test_a_run_that_is_not_there_is_no_folder_without_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match="typo is not there: name the folder of a run"):
        RunFolder.open(tmp_path / "typo")
    with pytest.raises(ConfigError, match=r"notes\.txt is a file: name the folder of a run"):
        RunFolder.open(tmp_path / "notes.txt")


def test_the_newest_run_of_a_task_is_found(tmp_path: Path) -> None:
    for age, (name, task) in enumerate([("c", "cartpole-positions"), ("b", "cartpole"), ("a", "cartpole")]):
        folder = RunFolder.create(load_run(task), tmp_path / name)
        os.utime(folder.config, (1000 - age, 1000 - age))
    (tmp_path / "older version").mkdir()
    (tmp_path / "older version" / "config.yaml").write_text("task: gone")
    assert RunFolder.newest("cartpole", tmp_path).path.name == "b"
    assert RunFolder.newest(root=tmp_path).path.name == "c"
    with pytest.raises(ConfigError, match="no run of pendulum"):
        RunFolder.newest("pendulum", tmp_path)


def test_json_is_replaced_as_a_whole_and_a_damaged_file_reads_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    write_json(path, {"policy": 12})
    assert read_json(path) == {"policy": 12}
    assert [file.name for file in tmp_path.iterdir()] == ["processes.json"]
    path.write_text('{"policy": 1')
    assert read_json(path) == {}
