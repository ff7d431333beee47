"""How the links of a robot hang together, as its URDF says."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from robot_mbrl.errors import ConfigError

HINGES = ("revolute", "continuous")
SLIDER = "prismatic"


@dataclass(frozen=True)
class Joint:
    """How a link hangs on another."""

    name: str
    kind: str
    """As URDF calls it: `revolute`, `continuous`, `prismatic`, `fixed`."""
    parent: str
    child: str
    place: np.ndarray
    """Of the child's frame at position 0, in the parent's, (3,), m."""
    turn: np.ndarray
    """Likewise its roll, pitch and yaw about the parent's fixed axes, (3,), rad."""
    axis: np.ndarray
    """In the child's frame, of length 1, (3,)."""


def read_urdf(path: Path) -> ElementTree.Element:
    """The `<robot>` of a URDF.

    Raises:
        ConfigError: if the file cannot be read.
    """
    try:
        return ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ConfigError(f"{path}: cannot be read as URDF: {error}") from error


def joints_of(robot: ElementTree.Element) -> list[Joint]:
    """Every joint, in the order of the file.

    Raises:
        ValueError: naming what is wrong with one.
    """
    return [_joint(joint) for joint in robot.findall("joint")]


def links_of(robot: ElementTree.Element) -> list[str]:
    """Every link's name, in the order of the file."""
    return [link.get("name", "") for link in robot.findall("link")]


def origin_of(element: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    """Where something is and how it is turned: place (3,), m, and roll, pitch and yaw (3,), rad.

    Raises:
        ValueError: if one of them is not three numbers.
    """
    origin = element.find("origin")
    if origin is None:
        return np.zeros(3), np.zeros(3)
    return three_numbers(origin.get("xyz", "0 0 0")), three_numbers(origin.get("rpy", "0 0 0"))


def three_numbers(text: str) -> np.ndarray:
    """Three numbers with spaces between them, (3,).

    Raises:
        ValueError: if it is something else.
    """
    values = np.array([float(word) for word in text.split()])
    if values.shape != (3,):
        raise ValueError(f"{text!r} are not three numbers")
    return values


def _joint(element: ElementTree.Element) -> Joint:
    axis = element.find("axis")
    vector = three_numbers(axis.get("xyz", "1 0 0") if axis is not None else "1 0 0")
    length = float(np.linalg.norm(vector))
    place, turn = origin_of(element)
    return Joint(
        element.get("name", ""),
        element.get("type", "fixed"),
        _link(element, "parent"),
        _link(element, "child"),
        place,
        turn,
        vector / length if length else vector,
    )


def _link(element: ElementTree.Element, which: str) -> str:
    link = element.find(which)
    if link is None:
        raise ValueError(f"joint {element.get('name')!r} has no {which}")
    return link.get("link", "")
