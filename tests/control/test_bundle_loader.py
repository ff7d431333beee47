"""The bundle loader: beside control, one at a time, the newest first."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_mbrl.bundles import StoredBundle
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle
from robot_mbrl.control.bundle_loader import BundleLoader
from robot_mbrl.control.bundle_provider import BundleOpener
from robot_mbrl.errors import BundleError
from tests.bundles import make_bundle, write_bundle

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


@pytest.fixture
def loader(config: RunConfig) -> Iterator[BundleLoader]:
    loader = BundleLoader(BundleOpener(config))
    yield loader
    loader.close()


def store(folder: Path, data: bytes, version: int = 1) -> StoredBundle:
    path = write_bundle(folder / f"{version}.onnx", data)
    return StoredBundle(path=str(path), sha256=hashlib.sha256(data).hexdigest(), run_id="run-a", version=version)


def await_one(loader: BundleLoader) -> Bundle:
    deadline_s = time.monotonic() + PATIENCE_S
    while (chosen := loader.take()) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    return chosen.bundle


def test_requested_bundle_is_loaded_once(loader: BundleLoader, config: RunConfig, tmp_path: Path) -> None:
    assert loader.take() is None
    loader.request(store(tmp_path, make_bundle(config, version=3), 3))
    assert await_one(loader).metadata.version == 3
    assert loader.take() is None


def test_of_those_waiting_only_the_newest_is_loaded(loader: BundleLoader, config: RunConfig, tmp_path: Path) -> None:
    for version in range(1, 6):
        loader.request(store(tmp_path, make_bundle(config, version=version), version))
    assert [await_one(loader).metadata.version for _ in range(2)] == [1, 5]
    assert loader.take() is None


def test_refused_bundle_is_an_error_and_the_next_is_loaded(
    loader: BundleLoader, config: RunConfig, tmp_path: Path
) -> None:
    loader.request(store(tmp_path, make_bundle(config, bias=float("nan"))))
    with pytest.raises(BundleError, match="not finite"):
        await_one(loader)
    loader.request(store(tmp_path, make_bundle(config, version=2), 2))
    assert await_one(loader).metadata.version == 2


def test_file_that_is_not_the_announced_one_is_refused(loader: BundleLoader, config: RunConfig, tmp_path: Path) -> None:
    stored = store(tmp_path, make_bundle(config))
    write_bundle(Path(stored.path), make_bundle(config, bias=0.1))
    loader.request(stored)
    with pytest.raises(BundleError, match="hash differs"):
        await_one(loader)
