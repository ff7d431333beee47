"""The bundle store: only what is sound, fits and follows on gets onto the disk, and something sound comes back."""

import os
from pathlib import Path
from typing import Any

import onnx
import pytest

from robot_mbrl.bundles import METADATA_KEY
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_store import BundleStore
from robot_mbrl.errors import BundleError
from robot_mbrl.specs import ActionSpec, Element, ObservationSpec, VectorSpec
from tests.bundles import change_metadata, make_bundle


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


@pytest.fixture
def store(tmp_path: Path, config: RunConfig) -> BundleStore:
    return BundleStore(tmp_path / "bundles", config)


def files(store: BundleStore) -> list[Path]:
    return sorted(store._folder.iterdir())


def reopened(store: BundleStore, reports: list[str] | None = None) -> BundleStore:
    return BundleStore(store._folder, store._config, report=(reports if reports is not None else []).append)


def test_accepted_bundle_is_current_and_still_is_after_a_reboot(store: BundleStore, config: RunConfig) -> None:
    data = make_bundle(config, version=4)
    stored = store.accept(data)
    assert (stored.run_id, stored.version) == ("run-a", 4)
    assert Path(stored.path).read_bytes() == data
    assert reopened(store).current() == store.current() == stored


def test_empty_store_has_no_current_bundle(store: BundleStore) -> None:
    assert store.current() is None


def test_only_the_newest_few_are_kept(store: BundleStore, config: RunConfig) -> None:
    stored = [store.accept(make_bundle(config, version=version)) for version in range(1, 6)]
    assert [str(path) for path in files(store)] == [bundle.path for bundle in stored[-3:]]


def test_bundle_sent_again_is_not_stored_again(store: BundleStore, config: RunConfig) -> None:
    data = make_bundle(config)
    assert store.accept(data) == store.accept(data)
    assert len(files(store)) == 1


def strip_metadata(data: bytes) -> bytes:
    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    return bytes(model.SerializeToString())


def zero_a_weight(data: bytes) -> bytes:
    """Damage a weight that the file's structure does not betray."""
    model = onnx.load_from_string(data)
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "bias")
    bias.raw_data = bytes(len(bias.raw_data))
    return bytes(model.SerializeToString())


VECTOR = VectorSpec(elements=(Element(name="cart_position", unit="mm"),))
UNSOUND = {
    "no ONNX at all": (lambda c: b"not a model", "cannot open it"),
    "empty": (lambda c: b"", "cannot open it"),
    "truncated": (lambda c: make_bundle(c)[:-40], "cannot open it"),
    "halved": (lambda c: make_bundle(c, layers=1)[:500_000], "cannot open it"),
    "metadata missing": (lambda c: strip_metadata(make_bundle(c)), f"without metadata '{METADATA_KEY}'"),
    "metadata unreadable": (lambda c: change_metadata(make_bundle(c), version="new"), "version"),
    "another format": (lambda c: change_metadata(make_bundle(c), format=1), "format is 1, this version reads 2"),
    "damaged weights": (lambda c: zero_a_weight(make_bundle(c, bias=0.3)), "canary"),
    "canary mismatch": (lambda c: make_bundle(c, canary_error=0.01), "canary"),
    "canary of another size": (
        lambda c: change_metadata(make_bundle(c), canary={"seed": 0, "action": [0, 0]}),
        "canary",
    ),
    "NaN": (lambda c: make_bundle(c, bias=float("nan")), "not finite"),
    "NaN without canary": (lambda c: make_bundle(c, bias=float("nan"), canary=False), "not finite"),
    "NaN at a start only": (lambda c: make_bundle(c, first=float("nan")), "not finite"),
    "another robot": (lambda c: make_bundle(c, robot="a1"), "robot a1"),
    "another task": (lambda c: make_bundle(c, task="cartpole-positions"), "task cartpole-positions"),
    "another rate": (lambda c: make_bundle(c, control_rate_hz=50.0), "50.0 Hz"),
    "other observations": (lambda c: make_bundle(c, observation=ObservationSpec(vectors={"p": VECTOR})), "mm"),
    "another action": (lambda c: make_bundle(c, action=ActionSpec(names=("hinge",), units=("Nm",))), "hinge"),
    "unknown input": (
        lambda c: change_metadata(make_bundle(c), noise={}),
        "input 'noise.action' is not in its metadata",
    ),
    "state of another shape": (
        lambda c: change_metadata(make_bundle(c), state={"count": {"shape": [2]}}),
        r"'state.count' is tensor\(float\) \[1, 1\]",
    ),
    "state missing": (
        lambda c: change_metadata(make_bundle(c), state={"count": {"shape": [1]}, "more": {"shape": [1]}}),
        "next_state.more",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_unsound_bundle_is_refused_and_the_old_one_stays(case: str, store: BundleStore, config: RunConfig) -> None:
    make, complaint = UNSOUND[case]
    good = store.accept(make_bundle(config, version=1))
    with pytest.raises(BundleError, match=complaint):
        store.accept(make(config))
    assert store.current() == good
    assert [str(path) for path in files(store)] == [good.path]
    assert reopened(store).current() == good


def test_foreign_run_is_refused_unless_welcome(store: BundleStore, config: RunConfig) -> None:
    store.accept(make_bundle(config, version=50))
    foreign = make_bundle(config, run_id="run-b", version=1)
    with pytest.raises(BundleError, match="follows run run-a"):
        store.accept(foreign)
    assert store.accept(foreign, new_run=True).run_id == "run-b"
    with pytest.raises(BundleError, match="follows run run-b"):
        reopened(store).accept(make_bundle(config, version=51))


@pytest.mark.parametrize("version", [6, 7])
def test_version_that_is_not_newer_is_refused(store: BundleStore, config: RunConfig, version: int) -> None:
    store.accept(make_bundle(config, version=7))
    with pytest.raises(BundleError, match="not newer than version 7"):
        store.accept(make_bundle(config, version=version, bias=0.1))


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-1] + b"x"]
)
def test_damaged_newest_file_falls_back_to_the_one_before(store: BundleStore, config: RunConfig, damage: Any) -> None:
    store.accept(make_bundle(config, version=1))
    before = store.accept(make_bundle(config, version=2))
    newest = Path(store.accept(make_bundle(config, version=3)).path)
    newest.write_bytes(damage(newest.read_bytes()))
    reports: list[str] = []
    again = reopened(store, reports)
    assert again.current() == before
    assert len(reports) == 1
    assert str(newest) in reports[0]
    assert again.accept(make_bundle(config, version=3)).version == 3


def test_crash_between_write_and_rename_leaves_the_old_bundle(
    store: BundleStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = store.accept(make_bundle(config, version=1))
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(Path, "replace", lambda *_: os._exit(9))
        store.accept(make_bundle(config, version=2))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert len(files(store)) == 2
    again = reopened(store)
    assert again.current() == good
    assert [str(path) for path in files(again)] == [good.path]


def test_disk_that_refuses_leaves_the_old_bundle(
    store: BundleStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = store.accept(make_bundle(config, version=1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match="No space left"):
        store.accept(make_bundle(config, version=2))
    assert store.current() == good
    assert [str(path) for path in files(store)] == [good.path]


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="name another folder"):
        BundleStore(tmp_path / "file" / "bundles", config)


def test_cached_bundle_of_another_task_is_reported_and_not_used(store: BundleStore, config: RunConfig) -> None:
    store.accept(make_bundle(config))
    reports: list[str] = []
    other = BundleStore(store._folder, load_run("cartpole-positions"), report=reports.append)
    assert other.current() is None
    assert "made for task cartpole" in reports[0]


def test_a_bundle_whose_numbers_mean_something_else_here_is_refused_also_from_the_disk(
    store: BundleStore, config: RunConfig
) -> None:
    kept = store.accept(make_bundle(config, version=1))
    raw = config.model_dump(mode="json")
    raw["robot"]["commands"][0]["joints"][0] |= {"low": -100.0, "high": 100.0}
    wider = RunConfig.model_validate(raw)
    with pytest.raises(BundleError, match=r"commands\.slider\.high was 100\.0, here it is 10\.0"):
        store.accept(make_bundle(wider, version=2))
    assert store.current() == kept
    reports: list[str] = []
    assert BundleStore(store._folder, wider, report=reports.append).current() is None
    assert "commands.slider.high was 10.0, here it is 100.0" in reports[0]
