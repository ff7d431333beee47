"""Policy and bundle nodes as processes over real DDS: what drives the robot, and what may change that."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run, save_run
from robot_mbrl.control.bundle_provider import BundleOpener
from robot_mbrl.specs import Mode, Source
from tests.bundles import make_bundle, write_bundle
from tests.graph.graph import PATIENCE_S, Graph
from tests.graph.policy_bench import BUNDLE_NODE, POLICY_NODE, RobotBench

SWAPS = 50
FIRST_VERSION = 100
LARGE_LAYERS = 12
"""Makes a bundle of 12 MB."""
MOST_STEPS = 30
SLOW_LAYERS = 100
"""Makes one whose step takes several milliseconds on one thread."""


class Setup:
    """A bench with the folders and parameters of one run."""

    def __init__(self, folder: Path, config: RunConfig, graph: Graph) -> None:
        self.folder, self.config, self.graph = folder, config, graph
        self.bench = RobotBench(graph, config)
        self._config_file = folder / "config.yaml"
        save_run(config, self._config_file)

    def start_policy(self, start_policy: str, **parameters: Any) -> None:
        """Start the policy node alone, and wait until it is connected."""
        self.bench.start({POLICY_NODE: {"config": str(self._config_file), "start_policy": start_policy, **parameters}})

    def start_bundle_node(self) -> None:
        """Start the bundle node."""
        self.bench.start({BUNDLE_NODE: {"config": str(self._config_file), "store": str(self.folder / "bundles")}})

    def start(self, start_policy: str = "cached", *, policy_file: str = "", **bundle_parameters: Any) -> None:
        """Start both nodes, or with a policy file only the policy's, and wait until they are connected."""
        config = str(self._config_file)
        nodes = {POLICY_NODE: {"config": config, "start_policy": start_policy, "policy_file": policy_file}}
        if not policy_file:
            nodes[BUNDLE_NODE] = {"config": config, "store": str(self.folder / "bundles"), **bundle_parameters}
        self.bench.start(nodes)

    def reboot(self, start_policy: str = "cached") -> None:
        """Lose power, and start both nodes again."""
        self.graph.kill(BUNDLE_NODE)
        self.graph.kill(POLICY_NODE)
        self.start(start_policy)

    def send(self, data: bytes) -> None:
        """Send a bundle and wait until it drives."""
        announced = len(self.bench.announcements)
        self.bench.send_bundle(data)
        self.graph.until(lambda: len(self.bench.announcements) > announced)
        self.bench.drive_until_version(self.bench.announcements[-1]["version"])

    def send_bad(self, data: bytes) -> str:
        """Send a bundle and wait until it is refused; returns the reason."""
        refused = self.bench.health["bundle"]["refused"]
        self.bench.send_bundle(data)
        self.graph.until(lambda: self.bench.health["bundle"]["refused"] != refused)
        return self.bench.health["bundle"]["last_refusal"]


@pytest.fixture
def make_setup(tmp_path: Path, graph: Graph) -> Callable[[RunConfig], Setup]:
    return lambda config: Setup(tmp_path, config, graph)


@pytest.fixture
def setup(make_setup: Callable[[RunConfig], Setup]) -> Setup:
    return make_setup(load_run("cartpole"))


def value(action: Any) -> float:
    return float(action.values[0])


def test_policy_is_fed_with_what_was_applied_and_evaluates_without_exploring(setup: Setup) -> None:
    setup.start()
    bench, config = setup.bench, setup.config
    setup.send(make_bundle(config, version=1, previous=0.5, explore=0.25))
    assert value(bench.step(is_first=True, applied=-0.5)) == pytest.approx(0.25)
    assert value(bench.step(applied=0.75)) == pytest.approx(0.0)
    assert value(bench.step(applied=1.0, mode=Mode.EVALUATE)) == pytest.approx(0.375)
    assert value(bench.step(mode=Mode.EVALUATE)) == pytest.approx(0.5)


def test_newer_bundle_of_the_run_takes_over_with_the_state(setup: Setup) -> None:
    setup.start()
    bench, config = setup.bench, setup.config
    setup.send(make_bundle(config, version=1, count=0.01))
    bench.step(is_first=True)
    bench.send_bundle(make_bundle(config, version=2, count=0.02))
    steps = 0
    while (action := bench.step()).policy_version == 1:
        steps += 1
        assert value(action) == pytest.approx(min(1.0, 0.01 * steps))
    assert value(action) == pytest.approx(min(1.0, 0.02 * (steps + 1)))


def test_health_says_which_version_drives_and_for_how_long(setup: Setup) -> None:
    setup.start()
    for version in (1, 2):
        begun_s = time.monotonic()
        setup.send(make_bundle(setup.config, version=version))
        healths = [setup.bench.fresh_health("policy") for _ in range(2)]
        assert [health["version"] for health in healths] == [str(version)] * 2
        ages = [float(health["version_age_s"]) for health in healths]
        # It drives since some time after it was sent, and not since the one before it does.
        assert 0.0 <= ages[0] < ages[1] < time.monotonic() - begun_s


def test_bad_bundles_are_refused_and_the_old_one_goes_on(setup: Setup) -> None:
    setup.start()
    bench, config = setup.bench, setup.config
    setup.send(make_bundle(config, version=1, bias=0.25))
    setup.graph.until(lambda: "bundle" in bench.health)
    good = make_bundle(config, version=2, bias=0.5)
    refusals = {
        "corrupted": (good[: len(good) // 2], "cannot open it"),
        "foreign": (make_bundle(config, version=9, run_id="run-b"), "follows run run-a"),
        "wrong specification": (make_bundle(load_run("cartpole-positions"), version=2), "cartpole-positions"),
        "NaN": (make_bundle(config, version=2, bias=float("nan")), "not finite"),
        "damaged weights": (make_bundle(config, version=2, canary_error=0.1), "canary"),
    }
    for case, (data, complaint) in refusals.items():
        assert complaint in setup.send_bad(data), case
        action = bench.step(is_first=True)
        assert (action.policy_version, value(action)) == (1, pytest.approx(0.25)), case
    setup.send(good)
    assert value(bench.step(is_first=True)) == pytest.approx(0.5)
    setup.graph.until(lambda: bench.health["bundle"]["last_refusal"] == "")


def test_new_learner_is_followed_where_that_is_allowed(setup: Setup) -> None:
    setup.start(accept_new_run=True)
    setup.send(make_bundle(setup.config, version=7, bias=0.25))
    setup.send(make_bundle(setup.config, version=1, run_id="run-b", bias=0.5))
    assert setup.bench.announcements[-1]["run_id"] == "run-b"
    action = setup.bench.step(is_first=True)
    assert (action.policy_version, value(action)) == (1, pytest.approx(0.5))


def test_cached_bundle_drives_after_a_reboot_without_a_learner(setup: Setup) -> None:
    setup.start()
    bench = setup.bench
    setup.send(make_bundle(setup.config, version=1, bias=0.1))
    setup.send(make_bundle(setup.config, version=2, bias=0.2))
    bench.forget_bundle()
    setup.reboot()
    bench.drive_until_version(2)
    assert value(bench.step(is_first=True)) == pytest.approx(0.2)
    newest = max((setup.folder / "bundles").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    setup.reboot()
    bench.drive_until_version(1)


def test_a_provider_that_is_missing_is_named_and_the_cpu_drives(setup: Setup) -> None:
    if not BundleOpener(setup.config, "cuda").unusable:
        pytest.skip("CUDA can be used here")
    file = write_bundle(setup.folder / "policy.onnx", make_bundle(setup.config, bias=0.3))
    setup.start_policy("file", policy_file=str(file), provider="cuda")
    assert value(setup.bench.step(is_first=True)) == pytest.approx(0.3)
    health = setup.bench.fresh_health("policy")
    assert health["provider"] == "cpu"
    assert float(health["step_ms"]) > 0


def test_a_bundle_that_cannot_meet_the_control_rate_does_not_drive(make_setup: Callable[[RunConfig], Setup]) -> None:
    setup = make_setup(load_run("cartpole", {"robot.control_rate_hz": 1000.0}))
    setup.start()
    setup.send(make_bundle(setup.config, version=1, bias=0.1))
    setup.bench.send_bundle(make_bundle(setup.config, version=2, bias=0.2, layers=SLOW_LAYERS))
    for _ in range(MOST_STEPS):  # What was loaded is looked at between two steps.
        setup.bench.step()
        if setup.bench.fresh_health("policy")["refused"] != "0":
            break
    assert "control rate of 1000 Hz leaves 1 ms" in setup.bench.health["policy"]["last_refusal"]
    assert value(setup.bench.step(is_first=True)) == pytest.approx(0.1)


def test_random_start_holds_each_draw_and_yields_to_the_first_bundle(setup: Setup) -> None:
    setup.start("random")
    bench, hold = setup.bench, setup.config.robot.random_hold_steps
    bench.drive_until_version(0)
    actions = [bench.step(is_first=step == 0) for step in range(4 * hold)]
    assert {action.source for action in actions} == {Source.RANDOM}
    assert {action.policy_version for action in actions} == {0}
    draws = np.array([value(action) for action in actions]).reshape(4, hold)
    assert (draws == draws[:, :1]).all()
    assert len(set(draws[:, 0])) == 4
    setup.send(make_bundle(setup.config, version=1))
    assert bench.step().source is Source.POLICY


def test_random_start_drives_only_where_the_bundle_node_says_that_there_is_no_bundle(setup: Setup) -> None:
    bench = setup.bench
    setup.start_policy("random")
    stamps = [bench.observe(is_first=True), bench.observe()]
    setup.graph.until(lambda: bench.health.get("policy", {}).get("requests") == "2")
    assert not bench.actions.keys() & set(stamps)
    setup.start_bundle_node()
    bench.drive_until_version(0)
    assert bench.step(is_first=True).source is Source.RANDOM
    # Of the next bundle nobody would hear; a node that was killed stays in the graph for 20 s.
    setup.graph.kill(BUNDLE_NODE)
    drive_until_nothing_is_requested(bench)
    setup.start_bundle_node()
    bench.drive_until_version(0)


def drive_until_nothing_is_requested(bench: RobotBench) -> None:
    """Live episodes of one step until one gets no action for 10 periods; fails if that takes as long as DDS forgets."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < 10.0:
        stamp_ns, end_s = bench.observe(is_first=True), time.monotonic() + 10 * bench.config.step_s
        bench.graph.until(lambda stamp_ns=stamp_ns, end_s=end_s: stamp_ns in bench.actions or time.monotonic() > end_s)
        if stamp_ns not in bench.actions:
            return
    pytest.fail("it goes on")


def test_killed_policy_that_was_random_never_is_again_once_there_is_a_bundle(setup: Setup) -> None:
    setup.start("random")
    bench = setup.bench
    bench.drive_until_version(0)
    setup.send(make_bundle(setup.config, version=1))
    bench.forget_bundle()
    for _ in range(3):
        setup.graph.kill(POLICY_NODE)
        bench.actions.clear()
        setup.start_policy("random")
        bench.drive_until_version(1)
        assert {answer.action.policy_version for answer in bench.actions.values()} == {1}


def test_bundle_that_cannot_be_loaded_leaves_the_robot_still_and_not_random(setup: Setup) -> None:
    bench = setup.bench
    setup.start_policy("random")
    bench.announce(None)
    bench.drive_until_version(0)
    bench.announce({"path": str(setup.folder / "gone.onnx"), "sha256": "ab", "run_id": "r", "version": 7})
    drive_until_nothing_is_requested(bench)
    # By the next step the loader has found out.
    bench.observe()
    assert "gone.onnx" in bench.fresh_health("policy")["last_refusal"]
    bench.announce(None)
    drive_until_nothing_is_requested(bench)


@pytest.mark.parametrize("start_policy", ["random", "cached"])
def test_lockstep_waits_until_it_is_known_what_is_to_drive(setup: Setup, start_policy: str) -> None:
    """Nobody would ask again for the action of an observation that went by."""
    bench = setup.bench
    path = write_bundle(setup.folder / "policy.onnx", data := make_bundle(setup.config, version=7))
    setup.start_policy(start_policy, lockstep=True)
    stamp_ns = bench.observe(is_first=True)
    setup.graph.serve(0.5)
    assert stamp_ns not in bench.actions
    sha256 = hashlib.sha256(data).hexdigest()
    bench.announce({"path": str(path), "sha256": sha256, "run_id": "run-a", "version": 7, "cached": True})
    setup.graph.until(lambda: stamp_ns in bench.actions)
    assert bench.actions[stamp_ns].action.policy_version == 7


def test_lockstep_is_random_as_soon_as_there_is_known_to_be_no_bundle(setup: Setup) -> None:
    setup.start_policy("random", lockstep=True)
    stamp_ns = setup.bench.observe(is_first=True)
    setup.bench.announce(None)
    setup.graph.until(lambda: stamp_ns in setup.bench.actions)
    assert setup.bench.actions[stamp_ns].action.source is Source.RANDOM


def test_hold_start_requests_nothing_until_the_learner_sends_a_bundle(setup: Setup) -> None:
    bench = setup.bench
    setup.start()
    setup.send(make_bundle(setup.config, version=1))
    bench.forget_bundle()
    setup.reboot("hold")
    setup.graph.until(lambda: len(bench.announcements) == 2)
    stamps = [bench.observe(is_first=True)]
    setup.graph.until(lambda: "policy" in bench.health)
    stamps.append(bench.observe())
    # Both were put to what drives, and came to nothing, before there is anything else to drive.
    setup.graph.until(lambda: bench.health["policy"]["requests"] == "2")
    setup.send(make_bundle(setup.config, version=2))
    assert not bench.actions.keys() & set(stamps)


def test_hold_start_takes_the_learners_bundle_also_where_the_robot_has_it_already(setup: Setup) -> None:
    setup.start()
    setup.send(make_bundle(setup.config, version=1))
    setup.reboot("hold")
    setup.bench.drive_until_version(1)
    assert setup.bench.step(is_first=True).policy_version == 1


def test_policy_file_drives_without_a_bundle_node(setup: Setup) -> None:
    path = write_bundle(setup.folder / "policy.onnx", make_bundle(setup.config, version=5, bias=0.3))
    setup.start("file", policy_file=str(path))
    action = setup.bench.step(is_first=True, mode=Mode.EVALUATE)
    assert (action.policy_version, value(action)) == (5, pytest.approx(0.3))


def test_policy_file_that_does_not_fit_ends_the_node_with_a_message(
    tmp_path: Path, graph_environment: dict[str, str]
) -> None:
    path = write_bundle(tmp_path / "policy.onnx", make_bundle(load_run("cartpole-positions")))
    command = [sys.executable, "-m", "ros_nodes.policy_node", "--ros-args", "-p", "config:=cartpole"]
    command += ["-p", "start_policy:=file", "-p", f"policy_file:={path}"]
    ended = subprocess.run(command, env=graph_environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 2
    assert "made for task cartpole-positions" in ended.stderr


def test_policy_that_sees_waits_for_the_picture_of_the_same_stamp(make_setup: Callable[[RunConfig], Setup]) -> None:
    setup = make_setup(load_run("cartpole-image"))
    path = write_bundle(setup.folder / "policy.onnx", make_bundle(setup.config, count=0.1))
    setup.start("file", policy_file=str(path))
    actions = [setup.bench.step(is_first=step == 0) for step in range(5)]
    assert [value(action) for action in actions] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.timeout(600)
def test_fifty_swaps_of_a_large_bundle_at_100_hz_miss_no_stamp(make_setup: Callable[[RunConfig], Setup]) -> None:
    config = load_run("cartpole", {"robot.control_rate_hz": 100.0})
    setup = make_setup(config)
    setup.start()
    bench = setup.bench
    large = make_bundle(config, count=0.001, layers=LARGE_LAYERS, version=FIRST_VERSION)
    assert len(large) > 12e6
    last = FIRST_VERSION + SWAPS
    sent = str(write_bundle(setup.folder / "large.onnx", large))
    setup.graph.start("tests.graph.bundle_sender", bundle=sent, last=last)
    setup.graph.until(lambda: bool(bench.announcements))
    bench.drive_until_version(FIRST_VERSION)
    before = bench.fresh_health("policy")
    stamps = [bench.observe(is_first=True)]
    sent_s = time.monotonic()

    def live() -> None:
        # A sensor that was late skips the tick it missed; a timer would send two observations at once to catch up.
        nonlocal sent_s
        if time.monotonic() - sent_s > config.step_s / 2:
            sent_s = time.monotonic()
            bench.apply(stamps[-1], 0.0)
            stamps.append(bench.observe())

    live_regularly = setup.graph.node.create_timer(config.step_s, live)
    # As long as swaps go on, a busy machine may take its time over them.
    for version in range(FIRST_VERSION, last + 1):
        setup.graph.until(lambda version=version: version in bench.versions)
    live_regularly.cancel()
    # Counted by the policy node: on a busy machine this process, which has no real-time priority, may miss an action.
    after = bench.fresh_health("policy")
    assert int(after["requests"]) - int(before["requests"]) == len(stamps)
    assert after["cuts"] == before["cuts"]
    assert after["failed"] == "0"
    assert bench.versions == set(range(FIRST_VERSION, last + 1))
    # Most steps fall into the sending, verifying or loading of a bundle, all on the processors of this machine.
    assert np.median([answer.delay_s for answer in bench.actions.values()]) < config.step_s / 2
