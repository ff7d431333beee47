"""A simulated robot's driver: publishes the sensor topics that the robot's YAML names, obeys its command topics.

To the robot's other nodes it is what a real robot's driver is, and it owns `/clock`.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Int64
from std_srvs.srv import Trigger

from robot_mbrl import messages, topics
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError, MessageError
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.variety import CHANGES, Variety, read_changes
from ros_nodes import commands, diagnostics, qos
from ros_nodes.parameters import declare
from ros_nodes.runtime import run
from sim.commands import command_readers
from sim.displays import Displays
from sim.faults import FaultyWorld, load_faults
from sim.film import Film
from sim.fitting import further_sources, make_robots_world
from sim.lockstep import Lockstep
from sim.outlet import Outlet, picture_reading
from sim.paced import Paced
from sim.simulation import Simulation
from sim.worlds import WORLDS, MobileScene
from sim.worlds.bullet import URDF_FOLDER
from sim.worlds.varied import with_variety

PRIORITY = 5
"""Real-time priority, below that of the robot's own nodes: what is late here, a real driver would not be."""
MODES = ("paced", "lockstep")
WARN_EVERY_S = 5.0


class SimNode:
    """Shell around `Simulation` and what drives its time: `Paced` or `Lockstep`."""

    margin_s = 0.0003

    def __init__(self) -> None:
        """Build the world and publish its first readings."""
        self.node = node = Node("simulator")
        self._config = config = load_run(
            declare(node, "config", "", "task name, path of a task's YAML or of a run's config.yaml")
        )
        mode = declare(node, "mode", "paced", "paced: as a real robot; lockstep: waits for every step")
        if mode not in MODES:
            raise ConfigError(f"parameter mode: {mode!r} is none of {', '.join(MODES)}")
        seed = declare(node, "seed", 0, "seed of the episodes' starts", low=0, high=2**31)
        video = declare(node, "video", "", "path of an MP4 file to film the robot into; empty for none")
        faults = load_faults(
            declare(node, "faults", "", "path of a YAML of what goes wrong with drives and driver; empty for nothing"),
            config.robot,
        )
        if faults.faults and mode == "lockstep":
            raise ConfigError("parameter faults: in lockstep the world waits for what is late or lost; use paced")
        variety = Variety(
            randomise=declare(node, "randomise", False, "whether the world differs from episode to episode"),
            push=declare(node, "push", False, "whether somebody pushes the robot now and then"),
            changes=read_changes(
                declare(node, "change", "", f"what differs throughout, as mass=2; of {', '.join(CHANGES)}").split()
            ),
        )
        self._world = FaultyWorld(with_variety(make_robots_world(config), variety), faults)
        self._film = Film(Path(video), config.robot.control_rate_hz, self._world.photograph()) if video else None
        self._picture_ns = self._frame_due_ns = 0
        self._was_braking, self._was_dead = True, False
        self._start_ns = time.time_ns()
        self._further = further_sources(config)
        self._outlet = Outlet(node, config.robot, config.taken_pictures(), faults, self._further)
        self._displays = self._show_displays(config.task.world)
        self._clock = node.create_publisher(Clock, "/clock", qos.CLOCK)
        node.create_service(Trigger, topics.RESET, self._on_reset)
        self._simulation = Simulation(self._world, seed, self._start_ns, self._publish)
        self._time = self._paced() if mode == "paced" else self._lockstep()
        self._subscribe(config)
        self._told_slipped_s = 0.0
        diagnostics.publish_regularly(node, self._health)

    def next_deadline_s(self) -> float:
        """When simulated time is to be looked after again."""
        return self._time.next_deadline_s()

    def on_deadline(self, now_s: float) -> None:
        """Let it pass."""
        self._time.on_deadline(now_s)
        self._obey()

    def close(self) -> None:
        """Complete the film."""
        if self._film is not None:
            self._film.close()
        self._outlet.close()
        self._world.close()

    def _paced(self) -> Paced:
        speed = declare(self.node, "speed", 1.0, "simulated seconds per second", low=0.01, high=1000.0)
        rate_hz = declare(self.node, "sensor_rate_hz", 100.0, "joint states per simulated second", low=1.0, high=1000.0)
        return Paced(
            self._simulation,
            speed=speed,
            sensor_rate_hz=rate_hz,
            driver_timeout_s=self._config.robot.guard.driver_timeout_s,
            now_s=time.monotonic(),
        )

    def _lockstep(self) -> Lockstep:
        if self._config.task.action_repeat != 1:
            raise ConfigError("lockstep knows no action_repeat: what happens within a step would not be waited for")
        node, spec = self.node, self._config.action_spec()
        awaits = declare(node, "await_learner", False, "whether lockstep takes no step before the learner allows any")
        lockstep = Lockstep(self._simulation, period_ns=self._period_ns, now_s=time.monotonic(), await_learner=awaits)

        def on_applied(message: Any) -> None:
            try:
                action = messages.read_action(message, spec)
            except MessageError as error:
                self._warn(str(error))
            else:
                lockstep.applied(action.key.stamp_ns, time.monotonic())

        def on_allowance(message: Any) -> None:
            lockstep.allow(message.data, time.monotonic())

        # With the writer's history: for an action that went by unheard, the world would wait for ever.
        node.create_subscription(JointState, topics.APPLIED_ACTION, on_applied, qos.STEPS)
        node.create_subscription(Int64, topics.STEP_ALLOWANCE, on_allowance, qos.LATCHED)
        return lockstep

    def _show_displays(self, name: str | None) -> Displays | None:
        """Tell displays of the robot, if its world is one of ours."""
        scene = WORLDS[name] if name is not None else None
        if scene is None:
            return None
        if isinstance(scene, MobileScene):
            return Displays(self.node, [URDF_FOLDER / scene.robot], scene.things)
        return Displays(self.node, [URDF_FOLDER / file for file in scene.bodies.values()], None)

    @property
    def _period_ns(self) -> int:
        return round(self._config.robot.period_s * NANOSECONDS)

    def _subscribe(self, config: RunConfig) -> None:
        for command in config.robot.commands:
            kinds = commands.command_topics(command)
            for topic, read in command_readers(command).items():
                self.node.create_subscription(kinds[topic], topic, self._obeying(topic, read), qos.COMMANDS)

    def _obeying(self, topic: str, read: Callable[[Any], dict[str, float]]) -> Callable[[Any], None]:
        def obey(message: Any) -> None:
            try:
                values = read(message)
            except MessageError as error:
                self._warn(f"{topic}: {error}")
                return
            self._outlet.wire.command(values, self._lived_s)
            self._obey()

        return obey

    @property
    def _lived_s(self) -> float:
        """Simulated seconds since the start."""
        return (self._simulation.now_ns - self._start_ns) / NANOSECONDS

    def _obey(self) -> None:
        """Do what the drives have been told by now."""
        wire = self._outlet.wire
        for values in wire.commands(self._lived_s):
            self._time.command(values, time.monotonic())
        dead = wire.dead(self._lived_s)
        if dead and not self._was_dead:
            self._simulation.brake()
        self._was_dead = dead
        self._tell_of_brake()

    def _on_reset(self, request: Any, response: Any) -> Any:
        if isinstance(self._time, Lockstep) and not self._is_guarded():
            response.success, response.message = False, "no guard is there yet, whose commands would be waited for"
            return response
        response.message = str(self._time.reset(time.monotonic()))
        # The new start begins a new rhythm of pictures, in step with the observations.
        self._outlet.postpone_pictures()
        self._frame_due_ns = 0
        response.success = True
        return response

    def _is_guarded(self) -> bool:
        topics_of_guard = [topics.APPLIED_ACTION, *(command.topic for command in self._config.robot.commands)]
        return all(self.node.count_publishers(topic) for topic in topics_of_guard)

    def _publish(self, stamp_ns: int) -> None:
        """Publish all readings, the clock last: who hears it has been sent the readings of that time."""
        lived_s = (stamp_ns - self._start_ns) / NANOSECONDS
        outlet = self._outlet
        readings = {source: self._world.read(source) for source in (*outlet.joint_sources, *self._further)}
        if self._displays is not None and self._displays.is_due():
            self._displays.show(self._world.poses(), readings.values(), stamp_ns)
        for source, reading in readings.items():
            outlet.send(source, reading, stamp_ns, lived_s)
        if outlet.pictures_due(lived_s, self._config.robot.period_s) or stamp_ns == self._picture_ns:
            self._picture_ns = stamp_ns
            for source, spec in outlet.cameras.items():
                picture = outlet.enlarge(self._world.render(source, spec.height, spec.width), lived_s)
                outlet.send(source, picture_reading(picture), stamp_ns, lived_s)
        outlet.flush(lived_s)
        clock = Clock()
        messages.write_stamp(clock.clock, stamp_ns)
        self._clock.publish(clock)
        if self._film is not None:
            self._shoot(self._film, stamp_ns)

    def _shoot(self, film: Film, stamp_ns: int) -> None:
        """Add a frame, half a control period after the observation: the command is not kept waiting then."""
        if stamp_ns >= self._frame_due_ns:
            if self._frame_due_ns:
                film.add(self._world.photograph())
            self._frame_due_ns = stamp_ns + (self._period_ns if self._frame_due_ns else self._period_ns // 2)

    def _tell_of_brake(self) -> None:
        braking = self._simulation.braking
        if braking != self._was_braking:
            self._was_braking = braking
            log = self.node.get_logger()
            if braking:
                log.warning("the drives brake: no command came within the driver's timeout")
            else:
                log.info("the drives obey commands")

    def _warn(self, text: str) -> None:
        self.node.get_logger().warning(text, throttle_duration_sec=WARN_EVERY_S)

    def _health(self) -> DiagnosticArray:
        state = "braking" if self._simulation.braking else "obeying"
        values: dict[str, object] = {"simulated_ns": self._simulation.now_ns}
        if isinstance(self._time, Lockstep):
            return diagnostics.report(self.node, diagnostics.OK, state, values | {"steps": self._time.taken})
        slipped_s = self._time.slipped_s
        since_s, self._told_slipped_s = slipped_s - self._told_slipped_s, slipped_s
        values |= {"slipped_s": f"{slipped_s:.3f}"}
        if since_s > 0.0:
            state = f"{state}; this computer was too busy for {since_s:.3f} s of simulated time since last told"
            return diagnostics.report(self.node, diagnostics.WARN, state, values)
        return diagnostics.report(self.node, diagnostics.OK, state, values)


def main() -> int:
    """Run the node."""
    return run(SimNode, priority=PRIORITY)


if __name__ == "__main__":
    sys.exit(main())
