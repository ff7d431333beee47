"""The limits of a robot's YAML held against those of its URDF."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.joint_config import CommandJoint
from robot_mbrl.readiness.finding import Finding, amber, green, red

ROUNDING = 1e-3
"""Relative to a limit: what people who copy one round away."""


@dataclass(frozen=True, slots=True)
class UrdfJoint:
    """A joint's limits as a URDF states them; infinite where it states none."""

    turns_endlessly: bool = False
    lower: float = -math.inf
    upper: float = math.inf
    velocity: float = math.inf
    effort: float = math.inf


def read_urdf(text: str) -> dict[str, UrdfJoint]:
    """The joints of a URDF by name.

    Raises:
        ConfigError: if it is none.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ConfigError(f"robot_description is no XML: {error}; a xacro file must be expanded first") from error
    if root.tag != "robot":
        raise ConfigError(f"robot_description begins with <{root.tag}>, not with <robot>: it is no URDF")
    return {str(joint.get("name")): _joint(joint) for joint in root.findall("joint")}


def _joint(element: ElementTree.Element) -> UrdfJoint:
    kind, limit = element.get("type"), element.find("limit")
    stated = {} if limit is None else {name: _number(element, limit, name) for name in limit.attrib}
    # The format's own default: a limit that is left out is 0.
    bounded = kind in ("revolute", "prismatic") and limit is not None
    return UrdfJoint(
        kind == "continuous",
        stated.get("lower", 0.0) if bounded else -math.inf,
        stated.get("upper", 0.0) if bounded else math.inf,
        stated.get("velocity", math.inf),
        stated.get("effort", math.inf),
    )


def _number(joint: ElementTree.Element, limit: ElementTree.Element, name: str) -> float:
    try:
        return float(limit.attrib[name])
    except ValueError:
        raise ConfigError(
            f"robot_description: limit {name} of joint {joint.get('name')} is {limit.attrib[name]!r}, no number"
        ) from None


def judge_limits(robot: RobotConfig, urdf: Mapping[str, UrdfJoint]) -> Iterator[Finding]:
    """A finding for each commanded joint; those of a twist have none in a URDF."""
    for command in robot.commands:
        for joint in command.joints if command.kind != "twist" else ():
            yield _judge(command, joint, urdf.get(joint.name))


def _judge(command: CommandConfig, joint: CommandJoint, there: UrdfJoint | None) -> Finding:
    name = f"limits.{joint.name}"
    if there is None:
        return amber(name, "the URDF has no such joint", "correct the name, or compare its limits by hand")
    if faults := list(_beyond(command, joint, there)):
        return red(name, "; ".join(faults), "lower it in the robot's YAML, or correct the URDF")
    if joint.position_bounds is not None and (text := _places(joint.position_bounds, there)):
        # No command leads there, but the guard latches only where it is beyond its stop.
        return amber(name, text, "lower position_low and position_high in the robot's YAML, or correct the URDF")
    if there.turns_endlessly and command.source is not None and not joint.continuous and joint.position_bounds is None:
        return amber(name, "the URDF says it turns endlessly", "set continuous: true if its reading wraps")
    return green(name, "within those of the URDF")


def _beyond(command: CommandConfig, joint: CommandJoint, there: UrdfJoint) -> Iterator[str]:
    """Which limits of the YAML allow more than the URDF."""
    if command.kind == "position" and (text := _places(joint.position_bounds or (joint.low, joint.high), there)):
        yield text
    largest = max(abs(joint.low), abs(joint.high))
    allowed = {"position": (joint.max_rate, there.velocity), "velocity": (largest, there.velocity)}
    allowed["effort"] = (largest, there.effort)
    here, most = allowed[command.kind]
    # A share of what a drive can do, such as a duty cycle, is no effort that a URDF could limit.
    if here > most * (1.0 + ROUNDING) and (joint.unit or command.kind != "effort"):
        what = "effort" if command.kind == "effort" else "velocity"
        yield f"{what} of {here:g} {_more(most)}"


def _places(bounds: tuple[float, float], there: UrdfJoint) -> str:
    """Positions that are beyond the URDF's; empty if none is."""
    slack = ROUNDING * (there.upper - there.lower) if there.upper - there.lower < math.inf else 0.0
    if bounds[0] >= there.lower - slack and bounds[1] <= there.upper + slack:
        return ""
    return f"positions of [{bounds[0]:g}, {bounds[1]:g}] {_more([there.lower, there.upper])}"


def _more(limit: float | list[float]) -> str:
    text = f"{limit:g}" if isinstance(limit, float) else f"[{limit[0]:g}, {limit[1]:g}]"
    return f"is more than the URDF's {text}"
