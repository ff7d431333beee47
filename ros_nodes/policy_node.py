"""Requests an action for every observation, from the newest verified bundle or what stands in before one."""

import sys
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from robot_mbrl import messages, topics
from robot_mbrl.bundles import read_announcement
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_loader import BundleLoader
from robot_mbrl.control.bundle_policy import BundlePolicy, NonFiniteActionError
from robot_mbrl.control.bundle_provider import BundleOpener, Chosen, parse_provider
from robot_mbrl.control.policy_runner import PolicyRunner
from robot_mbrl.control.start_policies import HoldPolicy, Policy, RandomPolicy, WithoutBundle
from robot_mbrl.errors import BundleError, ConfigError, RobotMbrlError
from robot_mbrl.pairing import ObservationPairing
from robot_mbrl.runs.scenario import START_POLICIES
from robot_mbrl.steps import Observation
from ros_nodes import diagnostics, qos
from ros_nodes.claims import claim
from ros_nodes.endpoints import Endpoints
from ros_nodes.parameters import declare
from ros_nodes.runtime import run

PRIORITY = 18
"""Real-time priority: below the guard's, and above the sensor's, which has nothing more urgent to do, once an
observation is out, than to let it be answered."""
LOCKSTEP_GRACE_S = 10.0
"""In lockstep nothing is late: the simulator waits."""
WITH_CACHED = ("cached", "random")
"""Those that give way to a bundle on the robot's disk, not only to a learner's next."""
LOOK_S = 0.1
"""How often it is looked whether the bundle node is still there, and in lockstep whether a bundle has been loaded."""
WARN_EVERY_S = 5.0


class PolicyNode:
    """Shell around `PolicyRunner` and `BundleLoader`."""

    margin_s = 0.0005

    def __init__(self) -> None:
        """Make the start policy the active one and listen."""
        self.node = node = Node("policy")
        config = load_run(declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml"))
        self._claim = claim(node)
        grace_s = declare(
            node, "applied_grace_s", 0.005, "how long a step waits for the action applied before it", low=0.0, high=1.0
        )
        speed = declare(node, "speed", 1.0, "simulated seconds per second; 1 on a robot", low=0.01, high=1000.0)
        self._lockstep = declare(node, "lockstep", False, "whether the simulator waits for every action")
        if self._lockstep:
            grace_s, speed = LOCKSTEP_GRACE_S, 1.0
        self._start = declare(
            node, "start_policy", "hold", f"what drives before a bundle has arrived: {', '.join(START_POLICIES)}"
        )
        provider = declare(
            node,
            "provider",
            "auto",
            "what computes the policy: cpu, cuda, tensorrt, or auto to measure at loading and keep the fastest",
        )
        self._opener = BundleOpener(config, parse_provider(provider))
        # A robot without a GPU that nobody has asked for lacks nothing.
        tell = node.get_logger().info if provider == "auto" else node.get_logger().warning
        for unusable in self._opener.unusable:
            tell(unusable)
        self._provider_warnings: tuple[str, ...] = ()
        self._step_ms = 0.0
        self._spec = config.action_spec()
        starts = self._start_policy(config)
        self._first = WithoutBundle(starts)
        if self._start in WITH_CACHED:
            starts = self._first
        self._runner = PolicyRunner(config, starts, grace_s=grace_s / speed)
        self._graph = Endpoints(node)
        self._look_s = 0.0
        self._took_over_s = 0.0
        self._loader = BundleLoader(self._opener)
        self._pairing = ObservationPairing(config.observation_spec().images)
        self._refused, self._last_refusal = 0, ""
        self._failed, self._failed_before = 0, 0
        self._action = JointState()
        self._actions = node.create_publisher(JointState, topics.ACTION, qos.ACTION)
        self._subscribe(config)
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float | None:
        """When the step at hand stops waiting for the action applied before it, or for what is to drive."""
        return self._look_s if self._is_undecided else self._runner.deadline_s

    def on_deadline(self, now_s: float) -> None:
        """Act without knowing what was applied, or look once more what is to drive."""
        self._act()
        if self._is_undecided:
            self._look_s = now_s + LOOK_S

    def close(self) -> None:
        """Let the loader finish; the guard stops the robot."""
        self._loader.close()

    def _start_policy(self, config: RunConfig) -> Policy:
        file = declare(self.node, "policy_file", "", "bundle that start_policy `file` drives with")
        slack = declare(
            self.node,
            "random_slack_steps",
            2000,
            "steps beyond the prefill after which random driving ends, to give the learner time for its first bundle",
            low=0,
            high=1_000_000,
        )
        if self._start == "random":
            return RandomPolicy.for_run(config, config.agent.prefill_steps + slack)
        if self._start == "file":
            chosen = self._opener.open(Path(file))
            self._note(chosen)
            return BundlePolicy(chosen.bundle, config.seed)
        if self._start in ("cached", "hold"):
            return HoldPolicy()
        raise ConfigError(f"parameter start_policy: {self._start!r} is none of {', '.join(START_POLICIES)}")

    def _subscribe(self, config: RunConfig) -> None:
        node = self.node
        node.create_subscription(JointState, topics.OBSERVATION, self._on_observation, qos.LIVE)
        for name in config.observation_spec().images:
            node.create_subscription(
                Image, topics.image(name), lambda message, name=name: self._on_image(name, message), qos.LIVE
            )
        node.create_subscription(JointState, topics.APPLIED_ACTION, self._on_applied, qos.LIVE)
        self._bundle_topic = node.resolve_topic_name(topics.BUNDLE)
        node.create_subscription(String, topics.BUNDLE, self._on_bundle, qos.LATCHED)

    def _on_observation(self, message: Any) -> None:
        try:
            self._step(self._pairing.add_observation(messages.read_observation(message)))
        except RobotMbrlError as error:
            self._warn(error)

    def _on_image(self, name: str, message: Any) -> None:
        try:
            picture = messages.read_image(message)
            self._step(self._pairing.add_image(name, messages.read_key(message), picture))
        except RobotMbrlError as error:
            self._warn(error)

    def _on_applied(self, message: Any) -> None:
        try:
            self._runner.applied(messages.read_action(message, self._spec))
        except RobotMbrlError as error:
            self._warn(error)
        self._act()

    def _on_bundle(self, message: Any) -> None:
        try:
            announced = read_announcement(message.data)
        except BundleError as error:
            self._refuse(error)
            return
        self._first.told(announced is not None)
        if announced is None:
            self._act()
        elif announced.cached and self._start not in WITH_CACHED:
            return
        elif self._runner.bundle is None or self._runner.bundle.sha256 != announced.sha256:
            self._loader.request(announced)

    @property
    def _is_undecided(self) -> bool:
        """Whether a world that waits for every action must wait until it is known, or loaded, what is to drive."""
        if not self._lockstep or self._start not in WITH_CACHED or self._runner.bundle is not None:
            return False
        return self._first.has_bundle is None or self._loader.is_loading

    def _look_for_bundle_node(self, now_s: float) -> None:
        """Rely no longer on what a bundle node said that has died since."""
        if self._first.has_bundle is False and now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            if not self._graph.publishers(self._bundle_topic):
                self._first.told(None)

    def _step(self, observation: Observation | None) -> None:
        if observation is not None:
            self._runner.observed(observation, time.monotonic())
            self._act()

    def _act(self) -> None:
        self._look_for_bundle_node(time.monotonic())
        if self._is_undecided:
            self._take_over()
        while not self._is_undecided and self._runner.is_due(now_s := time.monotonic()):
            self._answer(now_s)
        if self._runner.deadline_s is None:
            self._take_over()

    def _answer(self, now_s: float) -> None:
        try:
            action = self._runner.requested_action(now_s)
        except NonFiniteActionError as error:
            self._warn(error)
            # Not for the robot to follow: the guard latches by it, so that a person looks at this policy.
            action = error.action
        except RobotMbrlError as error:
            self._warn(error)
            action = None
        if action is not None:
            messages.write_action(self._action, action, self._spec)
            self._actions.publish(self._action)

    def _take_over(self) -> None:
        """Between two steps, after the action is out: whatever this takes delays no step."""
        try:
            chosen = self._loader.take()
        except BundleError as error:
            self._refuse(error)
            return
        if chosen is not None:
            bundle = chosen.bundle
            carried = self._runner.take_over(bundle)
            self._note(chosen)
            self._took_over_s = time.monotonic()
            self._last_refusal = ""
            of = f"version {bundle.metadata.version} of run {bundle.metadata.run_id}"
            self.node.get_logger().info(f"{of} drives, its state {'carried over' if carried else 'fresh'}")

    def _note(self, chosen: Chosen) -> None:
        """Tell of providers that cannot be used, once for as long as it is the same."""
        self._step_ms = chosen.step_ms
        before, self._provider_warnings = self._provider_warnings, chosen.warnings
        for warning in chosen.warnings:
            if warning not in (*before, *self._opener.unusable):
                self.node.get_logger().warning(warning)

    def _refuse(self, error: BundleError) -> None:
        self._refused += 1
        self._last_refusal = str(error)
        self.node.get_logger().error(f"refused: {error}")

    def _warn(self, error: RobotMbrlError) -> None:
        self._failed += 1
        self.node.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _health(self) -> DiagnosticArray:
        bundle = self._runner.bundle
        failed, self._failed_before = self._failed - self._failed_before, self._failed
        values: dict[str, object] = {
            "requests": self._runner.requests,
            "cuts": self._runner.cuts,
            "undecided": self._runner.undecided,
            "failed": self._failed,
            "half_pairs": self._pairing.half_pairs,
            "refused": self._refused,
            "last_refusal": self._last_refusal,
        }
        if bundle is None:
            level, message = diagnostics.WARN, f"no bundle yet, start policy {self._start}"
            if self._start in WITH_CACHED and self._first.has_bundle is None:
                message += " waits for the bundle node to say whether there is one"
        else:
            of = bundle.metadata
            values |= {"run_id": of.run_id, "version": of.version, "sha256": bundle.sha256, "agent": of.agent}
            values |= {"provider": bundle.provider, "step_ms": round(self._step_ms, 3)}
            values["version_age_s"] = round(time.monotonic() - self._took_over_s, 1)
            level = diagnostics.WARN if self._last_refusal or self._provider_warnings else diagnostics.OK
            message = "; ".join([f"version {of.version} of run {of.run_id}", *self._provider_warnings])
        if failed:
            level, message = diagnostics.ERROR, f"{message}; {failed} steps or messages came to nothing since last time"
        return diagnostics.report(self.node, level, message, values)


def main() -> int:
    """Run the node."""
    return run(PolicyNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
