"""What computes a policy: the CPU drives whatever else is missing, and a policy that is too slow does not drive."""

from pathlib import Path

import onnxruntime
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control import bundle_provider
from robot_mbrl.control.bundle_provider import BundleOpener, budget_ms, measure, parse_provider, step_ms
from robot_mbrl.errors import BundleError, ConfigError
from tests.bundles import make_bundle, write_bundle

needs_no_gpu = pytest.mark.skipif(
    bool(BundleOpener(load_run("cartpole"), "auto").unusable) is False, reason="every provider can be used here"
)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


@pytest.fixture
def path(tmp_path: Path, config: RunConfig) -> Path:
    return write_bundle(tmp_path / "policy.onnx", make_bundle(config, bias=0.25))


@needs_no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_is_missing_is_named_and_the_cpu_drives(config: RunConfig, path: Path, provider: str) -> None:
    opener = BundleOpener(config, parse_provider(provider))
    chosen = opener.open(path)
    assert chosen.bundle.provider == "cpu"
    chosen.bundle.run()
    assert chosen.bundle.outputs["action"][0, 0] == 0.25
    (warning,) = chosen.warnings
    assert warning.startswith(f"provider {provider}: ")
    assert warning.endswith("the CPU computes the policy instead")
    assert opener.unusable == chosen.warnings


def test_auto_takes_the_fastest_that_can_be_used(config: RunConfig, path: Path) -> None:
    opener = BundleOpener(config, "auto")
    chosen = opener.open(path)
    assert chosen.step_ms > 0
    assert chosen.warnings == ()
    if len(opener.unusable) == 2:
        assert chosen.bundle.provider == "cpu"
    # Another bundle of the same run is not measured with all of them again.
    assert opener.open(path).bundle.provider == chosen.bundle.provider


def test_an_onnx_runtime_without_the_provider_is_named(
    config: RunConfig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert BundleOpener(config, "auto").unusable == ()
    (unusable,) = BundleOpener(config, "cuda").unusable
    assert "the installed ONNX Runtime has none; install onnxruntime-gpu" in unusable
    assert BundleOpener(config, "cuda").open(path).bundle.provider == "cpu"


def test_a_provider_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ConfigError, match="parameter provider: 'gpu' is none of auto, cpu, cuda, tensorrt"):
        parse_provider("gpu")


def test_a_bundle_that_cannot_meet_the_control_rate_is_refused_with_its_figures(tmp_path: Path) -> None:
    fast = load_run("cartpole", {"robot.control_rate_hz": 1000.0})
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(fast, layers=30))
    with pytest.raises(
        BundleError, match=r"policy\.onnx: a step takes .* ms here .* control rate of 1000 Hz leaves 1 ms"
    ):
        BundleOpener(fast).open(path)
    slow = load_run("cartpole")
    BundleOpener(slow).open(write_bundle(path, make_bundle(slow, layers=30)))


def test_as_many_threads_compute_it_as_it_says(config: RunConfig, tmp_path: Path) -> None:
    for threads in (1, 2):
        budget = {"step_ms": 0.1, "threads": threads}
        path = write_bundle(tmp_path / "policy.onnx", make_bundle(config, budget=budget))
        bundle = BundleOpener(config).open(path).bundle
        assert bundle._session.get_session_options().intra_op_num_threads == threads


def test_measuring_leaves_the_inputs_as_they_are(config: RunConfig, path: Path) -> None:
    bundle = BundleOpener(config).open(path).bundle
    bundle.inputs["prev_action"].fill(0.5)
    assert step_ms(bundle) > 0
    assert (bundle.inputs["prev_action"] == 0.5).all()
    assert bundle_provider.TIMED_STEPS > 1


def test_a_bundle_whose_every_action_would_be_late_is_refused(tmp_path: Path, config: RunConfig) -> None:
    patient = load_run("cartpole", {"robot.guard.action_deadline_s": 0.0002, "robot.guard.command_timeout_s": 0.130})
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(config, layers=30))
    BundleOpener(config).open(path)
    with pytest.raises(BundleError, match=r"guard\.action_deadline_s at 20 Hz leaves 0\.2 ms"):
        BundleOpener(patient).open(path)
    assert budget_ms(patient.robot) == pytest.approx(0.2)


def test_measuring_tells_usual_steps_from_rare_ones(config: RunConfig, path: Path) -> None:
    timing = measure(BundleOpener(config).open(path).bundle)
    assert 0.0 < timing.p50_ms <= timing.p99_ms
