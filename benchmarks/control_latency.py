"""From the observation to the command: all of a robot's nodes over DDS in real time, beside a learner or alone.

Run it with `python -m benchmarks.control_latency`. What is timed is from the moment the sensor node publishes an
observation to the moment the guard publishes the command that answers it. A listener beside the graph, of no priority
and on the learner's core, takes both times from DDS itself (`source_timestamp`). The robot is the demo's; each row is
a graph of its own, measured once it has been driven by bundles for a while.
"""

import argparse
import ctypes
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState

from benchmarks.report import Row, report
from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.runs.environment import node_environment
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import namespace, scenario
from robot_mbrl.runs.supervisor import Supervisor, share_cores
from robot_mbrl.specs import Source
from ros_nodes import commands, qos
from ros_nodes.runtime import with_info

RATES_HZ = (20.0, 50.0, 100.0)
SECONDS = 30.0
SETTLING_STEPS = 200
"""Steps after the first bundle's that are not counted."""
PREFILL_STEPS = 100
PATIENCE_S = 120.0
LEAVING_S = 5.0
"""A learner told to leave writes a checkpoint first."""
PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23


def make_run(rate_hz: float) -> RunConfig:
    """The demo's run at another control rate, with a learner that is always busy."""
    period_s = 1.0 / rate_hz
    return load_run(
        "cartpole",
        {
            "robot.control_rate_hz": rate_hz,
            "robot.guard.action_deadline_s": 0.8 * period_s,
            "robot.guard.command_timeout_s": 0.05 + 2.0 * period_s,
            "agent.prefill_steps": PREFILL_STEPS,
            "agent.train_ratio": 1e6,
        },
    )


class Listener:
    """Hears when each observation, its applied action and every command were published."""

    def __init__(self, config: RunConfig, domain: int) -> None:
        self.versions: dict[int, int] = {}
        self.sources: dict[int, Source] = {}
        self._spec = config.action_spec()
        self._observed_ns: dict[int, int] = {}
        self._applied_ns: dict[int, int] = {}
        self._commanded_ns: list[int] = []
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = Node("listener", context=self._context, namespace=namespace(config))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        listen = self._node.create_subscription
        listen(JointState, topics.OBSERVATION, with_info(self._on_observation), qos.FOLLOWED)
        listen(JointState, topics.APPLIED_ACTION, with_info(self._on_applied), qos.FOLLOWED)
        for command in config.robot.commands:
            listen(commands.TYPES[command.type], command.topic, with_info(self._on_command), qos.FOLLOWED)

    def _on_observation(self, message: Any, info: Mapping[str, int]) -> None:
        if not messages.read_named(message)[topics.IS_LAST]:
            self._observed_ns[messages.read_key(message).stamp_ns] = info["source_timestamp"]

    def _on_applied(self, message: Any, info: Mapping[str, int]) -> None:
        action = messages.read_action(message, self._spec)
        stamp_ns = action.key.stamp_ns
        self.sources[stamp_ns], self.versions[stamp_ns] = action.source, action.policy_version
        self._applied_ns[stamp_ns] = info["source_timestamp"]

    def _on_command(self, message: Any, info: Mapping[str, int]) -> None:
        self._commanded_ns.append(info["source_timestamp"])

    def serve(self, duration_s: float) -> None:
        """Listen for a while."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(left_s)

    def latencies_ms(self, stamps: list[int]) -> np.ndarray:
        """Of the steps at which the policy's action came in time."""
        timely = [s for s in stamps if self.sources[s] in (Source.POLICY, Source.RANDOM)]
        applied, observed = (np.array([times[s] for s in timely]) for times in (self._applied_ns, self._observed_ns))
        # The guard publishes the step's command, then its applied action, in one go.
        commanded = np.sort(self._commanded_ns)
        answers = commanded[np.searchsorted(commanded, applied) - 1]
        return np.asarray((answers - observed) * 1e-6)

    def steps_since(self, stamp_ns: int) -> list[int]:
        """Stamps of complete steps after one, in order; the last of an episode awaits no action and is none."""
        return sorted(s for s in self._observed_ns.keys() & self._applied_ns.keys() if s > stamp_ns)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


def forbid_real_time() -> None:
    """Leave this process and its children no right to real-time priority, not even root's."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))


def measure(rate_hz: float, learning: bool, fifo: bool, seconds: float) -> Row:
    """One graph."""
    if not fifo:
        forbid_real_time()
    config = make_run(rate_hz)
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder.create(config, Path(path) / "run")
        environment = node_environment(os.environ)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = environment["ROS_AUTOMATIC_DISCOVERY_RANGE"]
        listener = Listener(config, int(environment["ROS_DOMAIN_ID"]))
        nodes = scenario("demo", config, folder.path)
        with Supervisor(nodes, folder, environment) as supervisor:
            # Where it keeps nothing of the control nodes waiting.
            os.sched_setaffinity(0, share_cores(nodes, os.sched_getaffinity(0))["learner"])
            begin = _settle(listener, supervisor)
            if not learning:
                # For good, since nobody watches the nodes from here on; its newest bundle goes on driving.
                os.kill(supervisor.running["learner"], signal.SIGTERM)
                listener.serve(LEAVING_S)
                begin = max(listener.sources)
            policy = os.sched_getscheduler(supervisor.running["actuator"])
            listener.serve(seconds)
        listener.close()
    steps = listener.steps_since(begin)
    p50, p99, most = np.percentile(listener.latencies_ms(steps), (50, 99, 100))
    missed = sum(listener.sources[step] in (Source.LATE, Source.STOP) for step in steps)
    return {
        "control rate Hz": rate_hz,
        "learner": "training" if learning else "off",
        "SCHED_FIFO": "yes" if policy == os.SCHED_FIFO else "no",
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "max ms": float(most),
        "steps": len(steps),
        "missed": missed,
    }


def _settle(listener: Listener, supervisor: Supervisor) -> int:
    """Wait until bundles have driven for a while; returns the stamp of the newest step then."""
    deadline_s = time.monotonic() + PATIENCE_S
    while sum(version > 0 for version in listener.versions.values()) < SETTLING_STEPS:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"no bundle drove within {PATIENCE_S:g} s")
        supervisor.watch(0.0)
        listener.serve(0.25)
    return max(listener.sources)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control_latency", description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES_HZ, help="control rates, Hz")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each row is measured")
    args = parser.parse_args()
    rows: list[Row] = []
    # A process for each, since the right to real-time priority does not come back.
    spawn = multiprocessing.get_context("spawn")
    for rate_hz in args.rates:
        for fifo in (True, False):
            for learning in (False, True):
                with spawn.Pool(1) as pool:
                    rows.append(pool.apply(measure, (rate_hz, learning, fifo, args.seconds)))
                print(rows[-1], flush=True)
    report("control_latency", rows)


if __name__ == "__main__":
    main()
