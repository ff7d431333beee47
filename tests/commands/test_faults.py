"""The option `--faults`: what it names is looked at before anything begins, and said."""

from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.commands.options import faults_in_force
from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR, ConfigError
from robot_mbrl.runs.scenario import Options, scenario

ROBOT = load_run("cartpole").robot


@pytest.mark.parametrize("command", ["demo", "stand-in"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: [{kind: servo_lag, lag_s: fast}]", "lag_s"),
        ("faults: [{kind: blocked, joints: [knee]}]", "faults.0.joints"),
        (None, "faults.yaml"),
    ],
)
def test_a_wrong_description_is_refused_before_a_run_is_begun(
    command: str, text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "faults.yaml", tmp_path / "run"
    if text is not None:
        file.write_text(text)
    assert main([command, "cartpole", "--faults", str(file), "--run", str(folder)]) == USER_ERROR
    said = capsys.readouterr().err
    assert str(file) in said
    assert words in said
    assert not folder.exists()


def test_faults_in_force_are_said_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("faults: [{kind: noise, position: 0.01}, {kind: deaf, start_s: 2.0}]")
    assert faults_in_force(file, ROBOT) == ["noise (position: 0.01)", "deaf (start_s: 2.0)"]
    assert faults_in_force(None, ROBOT) == []


def test_only_the_driver_is_told_of_faults(tmp_path: Path) -> None:
    options = Options(faults=tmp_path / "faults.yaml")
    for name, driver in (("demo", "simulator"), ("stand-in", "stand_in")):
        told = {
            node.name: node.parameters.get("faults") for node in scenario(name, load_run("cartpole"), tmp_path, options)
        }
        assert {node for node, file in told.items() if file is not None} == {driver}
        assert told[driver] == str(options.faults)
    assert all("faults" not in node.parameters for node in scenario("demo", load_run("cartpole"), tmp_path))


def test_lockstep_knows_no_faults() -> None:
    with pytest.raises(ConfigError, match="lockstep waits for whatever is late or lost"):
        Options(lockstep=True, faults=Path("faults.yaml"))
