"""Bags as people record them: a cart-pole that was driven by another controller, written by a library of others."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
STEP_S = 0.05
READING_S = 0.01
HIGHEST_N = 10.0
JOINTS = "/cartpole/joint_states"
CAMERA = "/cartpole/camera/image_raw"
COMMANDS = "/cartpole/effort_controller/commands"
JOINT_STATE, ARRAY = "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray"


@dataclass(frozen=True)
class Said:
    """A message: on which topic, of which type, when it was received and stamped, and how it is made."""

    topic: str
    type: str
    logged_ns: int
    stamped_ns: int
    make: Callable[[int], object]


def actions(steps: int) -> np.ndarray:
    """What the controller did in each step, normalised, (steps,)."""
    return 0.8 * np.sin(np.arange(steps) * 0.7)


def drive(steps: int = 40, names: tuple[str, ...] = ("slider", "hinge"), scale_n: float = HIGHEST_N) -> list[Said]:
    """Readings at 100 Hz and commands at 100 Hz, from the first of which on the steps are counted."""
    said, wanted = [], actions(steps)
    place = speed = 0.0
    per_step = round(STEP_S / READING_S)
    for tick in range(steps * per_step + 1):
        now_ns = START_NS + round(tick * READING_S * SECOND)
        said.append(Said(JOINTS, JOINT_STATE, now_ns, now_ns, _joints(names, place, speed)))
        if tick < steps * per_step:
            force = scale_n * float(wanted[tick // per_step])
            said.append(Said(COMMANDS, ARRAY, now_ns, 0, _array([force])))
            speed += force * READING_S
            place += speed * READING_S
    return said


def film(said: list[Said], *, compressed: bool = False) -> list[Said]:
    """The same, and a picture every 50 ms, of 96x128 pixels, whose shade tells when it was."""
    shots = []
    for index in range(0, len({each.logged_ns for each in said}), 5):
        now_ns = START_NS + index * SECOND // 100
        picture = np.full((96, 128, 3), shade(index), np.uint8)
        kind, make = (_compressed if compressed else _raw)(picture)
        topic = CAMERA + ("/compressed" if compressed else "")
        shots.append(Said(topic, kind, now_ns, now_ns, make))
    return sorted([*said, *shots], key=lambda each: each.logged_ns)


def shade(index: int) -> int:
    """Of the picture that was taken at a hundredth of a second."""
    return 40 + index % 200


def _raw(picture: np.ndarray) -> tuple[str, Callable[[int], object]]:
    kind = "sensor_msgs/msg/Image"
    shape = {"height": picture.shape[0], "width": picture.shape[1], "step": picture.shape[1] * 3}
    more = {"encoding": "rgb8", "is_bigendian": 0, "data": picture.reshape(-1)}
    return kind, lambda stamped_ns: message(kind, header=header(stamped_ns), **shape, **more)


def _compressed(picture: np.ndarray) -> tuple[str, Callable[[int], object]]:
    kind = "sensor_msgs/msg/CompressedImage"
    data = cv2.imencode(".png", picture)[1].reshape(-1)
    return kind, lambda stamped_ns: message(kind, header=header(stamped_ns), format="png", data=data)


def write(
    folder: Path,
    said: Iterable[Said],
    *,
    storage: StoragePlugin = StoragePlugin.MCAP,
    packed: CompressionMode = CompressionMode.NONE,
) -> Path:
    """A bag of one file, in the order in which the messages are given."""
    writer = Writer(folder, version=9, storage_plugin=storage)
    writer.set_compression(packed, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for each in said:
            if each.topic not in connections:
                connections[each.topic] = writer.add_connection(each.topic, each.type, typestore=STORE)
            message = each.make(each.stamped_ns)
            writer.write(connections[each.topic], each.logged_ns, STORE.serialize_cdr(message, each.type))
    return folder


def shifted(said: Iterable[Said], *, logged_s: float = 0.0, stamped_s: float = 0.0) -> list[Said]:
    """The same at other times."""
    return [
        replace(
            each,
            logged_ns=each.logged_ns + round(logged_s * SECOND),
            stamped_ns=each.stamped_ns + round(stamped_s * SECOND) if each.stamped_ns else 0,
        )
        for each in said
    ]


def renamed(said: Iterable[Said], names: dict[str, str]) -> list[Said]:
    """The same on other topics."""
    return [replace(each, topic=names.get(each.topic, each.topic)) for each in said]


def message(kind: str, **fields: object) -> object:
    """A message of a type."""
    return STORE.types[kind](**fields)


def header(stamped_ns: int) -> object:
    """A header of a stamp."""
    stamp = message("builtin_interfaces/msg/Time", sec=stamped_ns // SECOND, nanosec=stamped_ns % SECOND)
    return message("std_msgs/msg/Header", stamp=stamp, frame_id="")


def _joints(names: tuple[str, ...], place: float, speed: float) -> Callable[[int], object]:
    measured = {"slider": (place, speed), "hinge": (math.pi - place, -speed)}
    pairs = np.array([measured.get(name, (0.0, 0.0)) for name in names])
    return lambda stamped_ns: message(
        JOINT_STATE,
        header=header(stamped_ns),
        name=list(names),
        position=pairs[:, 0].copy(),
        velocity=pairs[:, 1].copy(),
        effort=np.array([]),
    )


def _array(values: list[float]) -> Callable[[int], object]:
    layout = message("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
    return lambda _: message(ARRAY, layout=layout, data=np.array(values))
