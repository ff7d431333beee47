"""What moves a robot that is free to move about: servos of its joints, wheels that take a twist, or bare motors."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from sim.errors import WorldError
from sim.worlds.body import Body

STIFFNESS, DAMPING = "kp", "kd"
"""Interfaces of a position joint beside its position, as ros2_control names them."""


class Drivetrain(Protocol):
    """The drives of one robot, commanded by name in physical units.

    Attributes:
        strength: share of what they exert that they are commanded to; 1 for drives in good order.
    """

    strength: float

    def kinds(self) -> Mapping[str, str]:
        """What each is commanded in, by name."""

    def positions(self) -> Mapping[str, float]:
        """Where each is, rad or m; 0 for what has no place."""

    def efforts(self) -> Mapping[str, float]:
        """What the joints exerted in the newest physics step, N or N m."""

    def command(self, commands: Mapping[str, float]) -> None:
        """Take commands, which hold until the next ones or `brake`."""

    def brake(self) -> None:
        """Come to rest, as the driver does when commands cease."""

    def block(self, names: frozenset[str]) -> None:
        """Hold these where they are, and no others."""

    def act(self) -> None:
        """Exert what is commanded for one physics step."""

    def snapshot(self) -> Any:
        """What the engine does not know of them."""

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""


class Servos:
    """Joints that follow positions by a proportional-derivative torque, clamped: torque = kp (q* - q) - kd q'.

    The gains are commanded along with the positions, or those of the driver hold. Without commands the joints are
    damped: kp = 0.
    """

    def __init__(self, bullet: Any, body: Body, gains: Mapping[str, tuple[float, float]], brake_gain: float) -> None:
        """Begin damped.

        Args:
            bullet: the engine.
            body: whose joints they drive, all of them.
            gains: kp (N m/rad) and kd (N m s/rad) of joints by the last word of their names but `joint`.
            brake_gain: kd while nobody commands.
        """
        self.strength = 1.0
        self._body = body
        self._names = list(body.joints)
        self._number = {name: number for number, name in enumerate(self._names)}
        # What each command is of, and of which joint: looked up often.
        self._places = {
            f"{name}{ending}": (interface, number)
            for name, number in self._number.items()
            for interface, ending in (("", ""), (STIFFNESS, f"/{STIFFNESS}"), (DAMPING, f"/{DAMPING}"))
        }
        self._limits = [body.max_efforts[name] for name in self._names]
        self._own = [gains[name.removesuffix("_joint").rpartition("_")[2]] for name in self._names]
        self._brake_gain = brake_gain
        self._blocked: frozenset[str] = frozenset()
        self._states = bullet.getJointStates
        self._torques = bullet.setJointMotorControlArray
        self._mode = bullet.TORQUE_CONTROL
        self._hold = lambda index, force: bullet.setJointMotorControl2(
            body.index, index, bullet.VELOCITY_CONTROL, targetVelocity=0.0, force=force
        )
        self.brake()

    def kinds(self) -> Mapping[str, str]:
        """All are commanded in position."""
        return dict.fromkeys(self._names, "position")

    def positions(self) -> Mapping[str, float]:
        """Where each joint is, rad."""
        return dict(zip(self._names, self._body.joint_states()[0], strict=True))

    def efforts(self) -> Mapping[str, float]:
        """Torques of the newest physics step, N m."""
        return dict(zip(self._names, self._exerted, strict=True))

    def command(self, commands: Mapping[str, float]) -> None:
        """Take positions (rad) by joint, and gains by `joint/kp` and `joint/kd`."""
        if self._braking:
            self._targets, self._braking = self._body.joint_states()[0], False
            self._kp, self._kd = ([gains[i] for gains in self._own] for i in (0, 1))
        values = {"": self._targets, STIFFNESS: self._kp, DAMPING: self._kd}
        for name, value in commands.items():
            if name not in self._places:
                raise WorldError(f"{name!r} is not driven; driven are {sorted(self._names)}, each with kp and kd")
            interface, number = self._places[name]
            values[interface][number] = value

    def brake(self) -> None:
        """Damp all joints."""
        self._braking = True
        count = len(self._names)
        self._targets, self._kp, self._kd = [0.0] * count, [0.0] * count, [self._brake_gain] * count
        self._exerted = [0.0] * count

    def block(self, names: frozenset[str]) -> None:
        """Hold these joints with all the torque they have."""
        self._blocked = names
        for name, index in self._body.joints.items():
            self._hold(index, self._body.max_efforts[name] if name in names else 0.0)

    def act(self) -> None:
        """Exert the torques that the joints' present state calls for."""
        body, exerted, strength = self._body, self._exerted, self.strength
        states = self._states(body.index, body.indices)
        rows = zip(states, self._targets, self._kp, self._kd, self._limits, strict=True)
        for number, ((position, velocity, *_), target, kp, kd, limit) in enumerate(rows):
            torque = strength * (kp * (target - position) - kd * velocity)
            exerted[number] = limit if torque > limit else -limit if torque < -limit else torque
        for name in self._blocked:
            exerted[self._number[name]] = 0.0
        self._torques(body.index, body.indices, self._mode, forces=exerted)

    def snapshot(self) -> Any:
        """Commands and gains."""
        return self._braking, self._targets[:], self._kp[:], self._kd[:], self._exerted[:]

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""
        self._braking = snapshot[0]
        self._targets, self._kp, self._kd, self._exerted = (values[:] for values in snapshot[1:])


class Wheels:
    """Wheels at both sides whose speeds together make a twist: `linear.x` (m/s) and `angular.z` (rad/s).

    A robot that turns by skidding turns less than its wheels' speeds say: its track counts as wider than it is.
    """

    AXES = ("linear.x", "angular.z")

    def __init__(self, bullet: Any, body: Body, radius_m: float, track_m: float) -> None:
        """Begin braked.

        Args:
            bullet: the engine.
            body: whose joints they are; those named `..._left_...` are at the left.
            radius_m: of a wheel.
            track_m: distance between left and right wheels, as it counts.
        """
        self.strength = 1.0
        self._bullet, self._body = bullet, body
        self._radius_m, self._track_m = radius_m, track_m
        self._blocked: frozenset[str] = frozenset()
        self.brake()

    def kinds(self) -> Mapping[str, str]:
        """Both axes are of a twist."""
        return dict.fromkeys(self.AXES, "twist")

    def positions(self) -> Mapping[str, float]:
        """A twist has no place."""
        return dict.fromkeys(self.AXES, 0.0)

    def efforts(self) -> Mapping[str, float]:
        """What the wheels' motors exerted, N m."""
        states = self._bullet.getJointStates(self._body.index, self._body.indices)
        return {name: state[3] for name, state in zip(self._body.joints, states, strict=True)}

    def command(self, commands: Mapping[str, float]) -> None:
        """Take a twist.

        Raises:
            WorldError: if it has another axis.
        """
        if unknown := commands.keys() - set(self.AXES):
            raise WorldError(f"axes {sorted(unknown)} are not driven; driven are {self.AXES}")
        self._twist |= commands
        self._drive()

    def brake(self) -> None:
        """Stop the wheels."""
        self._twist = dict.fromkeys(self.AXES, 0.0)
        self._drive()

    def block(self, names: frozenset[str]) -> None:
        """Hold these axes at zero."""
        self._blocked = names
        self._drive()

    def act(self) -> None:
        """The engine's motors act by themselves."""

    def snapshot(self) -> Any:
        """The twist."""
        return dict(self._twist)

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""
        self._twist = dict(snapshot)
        self._drive()

    def _drive(self) -> None:
        forward, turn = (0.0 if axis in self._blocked else self._twist[axis] for axis in self.AXES)
        for name, index in self._body.joints.items():
            side = -1.0 if "_left_" in name else 1.0
            speed = (forward + side * turn * self._track_m / 2.0) / self._radius_m
            self._bullet.setJointMotorControl2(
                self._body.index,
                index,
                self._bullet.VELOCITY_CONTROL,
                targetVelocity=self.strength * speed,
                force=self._body.max_efforts[name],
            )


class Motors:
    """Wheels on bare motors that take a duty cycle: the torque falls with the speed, and a little is lost to friction.

    torque = stall (duty - speed / fastest); commanded by the joints' names, without a unit.
    """

    def __init__(self, bullet: Any, body: Body, stall_nm: float, fastest_rad_s: float) -> None:
        """Begin shorted.

        Args:
            bullet: the engine.
            body: whose joints they drive, all of them.
            stall_nm: torque of a motor at rest at full duty.
            fastest_rad_s: speed of a motor without load at full duty.
        """
        self.strength = 1.0
        self._bullet, self._body = bullet, body
        self._stall_nm, self._fastest_rad_s = stall_nm, fastest_rad_s
        self._blocked: frozenset[str] = frozenset()
        self.brake()

    def kinds(self) -> Mapping[str, str]:
        """A duty cycle is an effort."""
        return dict.fromkeys(self._body.joints, "effort")

    def positions(self) -> Mapping[str, float]:
        """Where each wheel is, rad."""
        return dict(zip(self._body.joints, self._body.joint_states()[0], strict=True))

    def efforts(self) -> Mapping[str, float]:
        """Torques, N m."""
        return dict(zip(self._body.joints, self._exerted, strict=True))

    def command(self, commands: Mapping[str, float]) -> None:
        """Take duty cycles, -1 to 1.

        Raises:
            WorldError: if there is no such motor.
        """
        if unknown := commands.keys() - self._body.joints.keys():
            raise WorldError(f"{sorted(unknown)} are not driven; driven are {sorted(self._body.joints)}")
        self._duty |= {name: float(np.clip(value, -1.0, 1.0)) for name, value in commands.items()}

    def brake(self) -> None:
        """Short the motors, which brakes them."""
        self._duty = dict.fromkeys(self._body.joints, 0.0)
        self._exerted = [0.0] * len(self._body.joints)

    def block(self, names: frozenset[str]) -> None:
        """Hold these motors with their stall torque."""
        self._blocked = names
        for name, index in self._body.joints.items():
            force = self._stall_nm if name in names else 0.0
            self._bullet.setJointMotorControl2(
                self._body.index, index, self._bullet.VELOCITY_CONTROL, targetVelocity=0.0, force=force
            )

    def act(self) -> None:
        """Exert the torques that duty and speed make."""
        _, speeds = self._body.joint_states()
        for number, (name, speed) in enumerate(zip(self._body.joints, speeds, strict=True)):
            lost = speed / self._fastest_rad_s
            torque = self.strength * self._stall_nm * (self._duty[name] - lost)
            self._exerted[number] = 0.0 if name in self._blocked else torque
        self._bullet.setJointMotorControlArray(
            self._body.index, self._body.indices, self._bullet.TORQUE_CONTROL, forces=self._exerted
        )

    def snapshot(self) -> Any:
        """Duty cycles and torques."""
        return dict(self._duty), self._exerted[:]

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""
        self._duty, self._exerted = dict(snapshot[0]), snapshot[1][:]
