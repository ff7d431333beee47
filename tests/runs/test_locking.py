"""A run's folder belongs to one process at a time, and to nobody once that process is gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.locking import locked

HOLDER = """
import sys, time
from pathlib import Path
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.locking import locked
with locked(RunFolder(Path(sys.argv[1]))):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(load_run("cartpole"), tmp_path / "run")


def test_a_folder_in_use_is_refused_by_name_and_free_once_its_user_is_killed(folder: RunFolder) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder.path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(ConfigError, match=f"{folder.path} is in use"), locked(folder):
            pass
        holder.kill()
    with locked(folder):
        pass
    with locked(folder):
        pass


@pytest.mark.parametrize(
    "command",
    [["demo", "cartpole", "--resume", "--run"], ["train", "cartpole", "--resume", "--run"], ["evaluate", "--graph"]],
    ids=lambda command: command[0],
)
def test_commands_that_write_into_a_run_leave_one_in_use_alone(
    command: list[str], folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.policy.touch()
    before = sorted(folder.path.iterdir())
    with locked(folder):
        assert main([*command, str(folder.path)]) != 0
    assert f"{folder.path} is in use" in capsys.readouterr().err
    assert sorted(folder.path.iterdir()) == sorted([*before, folder.path / ".lock"])
