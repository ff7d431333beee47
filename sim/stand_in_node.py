"""A stand-in for a real robot's driver: any robot's YAML can be tried with it, without hardware and on bad hardware.

It lives on wall time and has no `/clock`, as a real driver; its joints are those of `sim/plant.py`.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError, MessageError
from ros_nodes import commands, diagnostics, qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run
from sim.commands import command_readers
from sim.devices import Devices
from sim.faults import Faults, FaultyWorld, load_faults
from sim.outlet import Outlet, picture_reading
from sim.plant import Plant
from sim.starts import start_rng

PRIORITY = 5
WARN_EVERY_S = 5.0
LONGEST_LAG_S = 0.2
"""A driver that was held up for longer than this does not make up for what it has missed."""


class StandInNode:
    """Shell around a faulty `Plant` and its `Outlet`."""

    margin_s = 0.0003

    def __init__(self) -> None:
        """Put the robot at its start and publish from now on."""
        self.node = node = Node("stand_in")
        self._config = config = load_run(
            declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml")
        )
        robot = config.robot
        file = declare(
            node,
            "faults",
            "",
            "path of a YAML of what goes wrong with drives and driver; empty for nothing",
            dynamic=True,
        )
        faults = load_faults(file, robot)
        rate_hz = declare(node, "sensor_rate_hz", 100.0, "readings per second", low=1.0, high=1000.0)
        self._period_s = 1.0 / rate_hz
        self._plant = Plant(robot)
        self._world = FaultyWorld(self._plant, faults)
        self._devices = Devices(robot.sources, self._plant)
        self._outlet = Outlet(node, robot, config.taken_pictures(), faults, self._devices.sources)
        self._begin_s = self._lived_until_s = time.monotonic()
        self._reading_s = self._begin_s
        self._timeout_s = robot.guard.driver_timeout_s or math.inf
        self._heard_s = math.inf
        self._was_dead = False
        for command in robot.commands:
            kinds = commands.command_topics(command)
            for topic, read in command_readers(command).items():
                node.create_subscription(kinds[topic], topic, self._obeying(topic, read), qos.COMMANDS)
        node.create_service(Trigger, topics.RESET, self._on_reset)
        node.add_on_set_parameters_callback(self._on_parameters)
        self._tell(faults)
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float:
        """When readings are due, something arrives late, or the driver's patience ends."""
        return min(self._reading_s, self._begin_s + self._outlet.wire.next_s, self._heard_s + self._timeout_s)

    def on_deadline(self, now_s: float) -> None:
        """Live until now."""
        self._live_until(now_s)
        if now_s >= self._reading_s:
            late_s = now_s - self._reading_s
            self._reading_s = (now_s if late_s > LONGEST_LAG_S else self._reading_s) + self._period_s
            self._read(now_s - self._begin_s)
        self._outlet.flush(now_s - self._begin_s)

    def close(self) -> None:
        """Leave the graph."""
        self._outlet.close()

    def _live_until(self, now_s: float) -> None:
        wire, lived_s = self._outlet.wire, now_s - self._begin_s
        self._world.advance(now_s - self._lived_until_s)
        self._devices.advance(now_s - self._lived_until_s)
        self._lived_until_s = now_s
        for values in wire.commands(lived_s):
            self._world.apply(values)
            self._heard_s = now_s
        dead = wire.dead(lived_s)
        if (dead and not self._was_dead) or now_s >= self._heard_s + self._timeout_s:
            self._world.brake()
            self._heard_s = math.inf
        self._was_dead = dead

    def _read(self, lived_s: float) -> None:
        stamp_ns = self.node.get_clock().now().nanoseconds
        outlet = self._outlet
        for source in outlet.joint_sources:
            outlet.send(source, self._world.read(source), stamp_ns, lived_s)
        if outlet.cameras and outlet.pictures_due(lived_s, self._config.robot.period_s):
            for source, spec in outlet.cameras.items():
                picture = outlet.enlarge(self._world.render(source, spec.height, spec.width), lived_s)
                outlet.send(source, picture_reading(picture), stamp_ns, lived_s)
        for source, message in self._devices.read():
            outlet.send(source, message, stamp_ns, lived_s)

    def _obeying(self, topic: str, read: Callable[[Any], dict[str, float]]) -> Callable[[Any], None]:
        def obey(message: Any) -> None:
            try:
                values = read(message)
            except MessageError as error:
                self.node.get_logger().warning(f"{topic}: {error}", throttle_duration_sec=WARN_EVERY_S)
                return
            now_s = time.monotonic()
            self._outlet.wire.command(values, now_s - self._begin_s)
            self._live_until(now_s)

        return obey

    def _on_reset(self, request: Any, response: Any) -> Any:
        self._world.reset(start_rng(0, 0))
        response.success = True
        return response

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Misbehave otherwise, from now on."""
        for parameter in parameters:
            if parameter.name == "faults":
                try:
                    faults = load_faults(parameter.value, self._config.robot)
                except ConfigError as error:
                    return SetParametersResult(successful=False, reason=str(error))
                self._begin_s = time.monotonic()
                self._outlet.misbehave(faults)
                self._world.misbehave(faults)
                self._tell(faults)
        return SetParametersResult(successful=True)

    def _tell(self, faults: Faults) -> None:
        for fault in faults.faults:
            self.node.get_logger().warning(f"fault in force: {fault.says}")

    def _health(self) -> DiagnosticArray:
        state = "dead" if self._was_dead else "obeying" if self._heard_s < math.inf else "braking"
        places = {f"position.{name}": f"{joint.position:.4f}" for name, joint in self._plant.joints.items()}
        return diagnostics.report(self.node, diagnostics.OK, state, places)


def main() -> int:
    """Run the node."""
    return run(StandInNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
