"""`robot-mbrl bundle`: what is printed, and the exit codes that scripts rely on."""

import argparse
import hashlib
import json
from pathlib import Path

import pytest

from robot_mbrl.commands import bundle
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from tests.bundles import change_metadata, make_bundle, write_bundle


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    bundle.register(parser.add_subparsers())
    args = parser.parse_args(["bundle", *words])
    return int(args.run(args))


def test_show_tells_who_made_it_and_what_it_observes(
    tmp_path: Path, config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(config, version=12))
    assert run("show", str(path)) == 0
    printed = capsys.readouterr().out
    for expected in (
        "run-a",
        "12",
        "20 Hz",
        "pole_velocity",
        "rad/s",
        "slider",
        "next_state.count",
        "sha256",
        "commands.slider.high",
    ):
        assert expected in printed


def test_check_passes_a_sound_bundle_of_the_task(tmp_path: Path, config: RunConfig) -> None:
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(config))
    assert run("check", str(path)) == 0
    assert run("check", str(path), "--task", "cartpole") == 0


def test_check_refuses_a_bundle_of_another_task(
    tmp_path: Path, config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(config))
    assert run("check", str(path), "--task", "cartpole-positions") == 1
    assert "made for task cartpole" in capsys.readouterr().out


def test_damaged_file_and_missing_file_are_refused(tmp_path: Path, config: RunConfig) -> None:
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(config, bias=float("nan")))
    assert run("show", str(path)) == 0
    assert run("check", str(path)) == 1
    assert run("check", str(write_bundle(path, b"damaged"))) == 1
    assert run("show", str(path)) == 1
    assert run("show", str(tmp_path / "nowhere.onnx")) == 1


def test_show_as_json_gives_programs_everything(
    tmp_path: Path, config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_bundle(config, version=12, budget={"step_ms": 0.5, "threads": 2})
    path = write_bundle(tmp_path / "policy.onnx", data)
    assert run("show", str(path), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["format"], shown["version"], shown["robot"], shown["goal"]) == (2, 12, "cartpole", {})
    assert shown["budget"] == {"step_ms": 0.5, "p99_ms": None, "threads": 2}
    assert shown["inputs"]["state.count"] == {"shape": [1, 1], "dtype": "float32"}
    assert shown["outputs"]["action"] == {"shape": [1, 1], "dtype": "float32"}
    assert shown["sha256"] == hashlib.sha256(data).hexdigest()
    assert shown["fingerprint"]["fields"]["control_rate_hz"] == 20.0
    assert run("show", str(tmp_path / "nowhere.onnx"), "--json") == 1
    assert "cannot be read" in json.loads(capsys.readouterr().out)["refused"]


def test_a_bundle_of_the_format_before_is_named_with_its_field_and_a_remedy(
    tmp_path: Path, config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bundle(tmp_path / "policy.onnx", change_metadata(make_bundle(config), format=1, budget=None))
    assert run("show", str(path)) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{path}: metadata field format is 1, this version reads 2: run it with the version that wrote it" in printed


def test_check_measures_what_a_step_takes_for_programs(
    tmp_path: Path, config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_bundle(config, budget={"step_ms": 0.5, "threads": 2}, layers=8)
    path = str(write_bundle(tmp_path / "policy.onnx", data))
    assert run("check", path, "--time", "--json") == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost.keys() == {"p50_ms", "p99_ms", "budget_ms", "threads"}
    assert 0.0 < cost["p50_ms"] <= cost["p99_ms"]
    assert (cost["budget_ms"], cost["threads"]) == (50.0, 2)
    # The robot of a task awaits an action for less than the period.
    assert run("check", path, "--time", "--json", "--task", "cartpole") == 0
    assert json.loads(capsys.readouterr().out)["budget_ms"] == pytest.approx(40.0)


def test_check_refuses_a_bundle_that_is_too_slow_for_its_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fast = load_run("cartpole", {"robot.control_rate_hz": 5000.0})
    path = str(write_bundle(tmp_path / "policy.onnx", make_bundle(fast, layers=30)))
    assert run("check", path) == 0
    assert run("check", path, "--time") == 1
    assert "it may take 0.2 ms: too slow for this machine" in capsys.readouterr().out


def test_check_as_json_says_why_a_bundle_is_refused(
    tmp_path: Path, config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_bundle(tmp_path / "policy.onnx", make_bundle(config, bias=float("nan"))))
    assert run("check", path, "--time", "--json") == 1
    assert "not finite" in json.loads(capsys.readouterr().out)["refused"]
    with pytest.raises(ConfigError, match="--json prints what --time measures"):
        run("check", path, "--json")
