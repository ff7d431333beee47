"""Where the links of a robot are: frames as matrices (4, 4), which take points of a link to those of another frame."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from robot_mbrl.views.joints import HINGES, SLIDER, Joint

X, Y, Z = np.eye(3)


def link_frames(
    links: Sequence[str], joints: Sequence[Joint], positions: Mapping[str, float], base: np.ndarray
) -> dict[str, np.ndarray]:
    """The frame of each link that hangs on a root, (4, 4), parents first.

    Args:
        links: all names.
        joints: all of them, in any order.
        positions: of joints by name, rad or m; those it leaves out are at 0.
        base: the frame of the links that no joint moves, (4, 4).
    """
    children = {joint.child for joint in joints}
    frames = {link: base for link in links if link not in children}
    waiting = list(joints)
    while ready := [joint for joint in waiting if joint.parent in frames]:
        for joint in ready:
            position = positions.get(joint.name, 0.0)
            frames[joint.child] = frames[joint.parent] @ placed(joint.place, joint.turn) @ _motion(joint, position)
        waiting = [joint for joint in waiting if joint not in ready]
    return frames


def placed(place: Sequence[float] | np.ndarray, turn: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0)) -> np.ndarray:
    """A frame at a place (3,), turned by roll, pitch and yaw (3,), (4, 4)."""
    frame = turned(*turn)
    frame[:3, 3] = place
    return frame


def turned(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """A frame turned about the fixed axes x, y and z, in this order, (4, 4)."""
    frame = np.eye(4)
    if roll == pitch == yaw == 0.0:
        # As most joints' frames are.
        return frame
    frame[:3, :3] = _rotation(Z, yaw) @ _rotation(Y, pitch) @ _rotation(X, roll)
    return frame


def quaternion_of(frame: np.ndarray) -> tuple[float, float, float, float]:
    """How a frame (4, 4) is turned, as a quaternion x, y, z, w of length 1.

    It is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000), which has no
    case that is ill-conditioned, as the square roots of the diagonal have.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = frame[:3, :3]
    symmetric = np.array(
        [
            [xx - yy - zz, yx + xy, zx + xz, zy - yz],
            [yx + xy, yy - xx - zz, zy + yz, xz - zx],
            [zx + xz, zy + yz, zz - xx - yy, yx - xy],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    _, vectors = np.linalg.eigh(symmetric / 3.0)
    x, y, z, w = (float(part) for part in vectors[:, -1])
    return (x, y, z, w) if w >= 0.0 else (-x, -y, -z, -w)


def _motion(joint: Joint, position: float) -> np.ndarray:
    """What a joint's position does, (4, 4)."""
    motion = np.eye(4)
    if joint.kind == SLIDER:
        motion[:3, 3] = position * joint.axis
    elif joint.kind in HINGES:
        motion[:3, :3] = _rotation(joint.axis, position)
    return motion


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues' formula, (3, 3); not finite where the angle is not."""
    if not math.isfinite(angle):
        return np.full((3, 3), math.nan)
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: np.ndarray = np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
    return rotation
