"""A camera's driver as a process: full pictures at a steady rate, whole or damaged. Its node is named `camera`."""

import sys
import time
from array import array

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from robot_mbrl.messages import NANOSECONDS

HEIGHT, WIDTH = 720, 1280
PERIOD_S = 1.0 / 60.0
PROFILE = """<?xml version="1.0" encoding="UTF-8" ?>
<profiles xmlns="http://www.eprosima.com">
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>shared</transport_id><type>SHM</type>
      <segment_size>33554432</segment_size><maxMessageSize>4194304</maxMessageSize>
    </transport_descriptor>
    <transport_descriptor><transport_id>udp</transport_id><type>UDPv4</type></transport_descriptor>
  </transport_descriptors>
  <participant profile_name="camera" is_default_profile="true"><rtps>
    <userTransports><transport_id>shared</transport_id><transport_id>udp</transport_id></userTransports>
    <useBuiltinTransports>false</useBuiltinTransports>
  </rtps></participant>
</profiles>
"""
"""Shared memory that whole pictures fit into; in Fast DDS's own half MB, nine of ten are lost under best effort."""


def picture() -> np.ndarray:
    """What the camera sees, shape (height, width, 3): noise as hard to compress as a real scene."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (31, 31), 5))


def make_message(encoding: str) -> Image | CompressedImage:
    """The message that is sent again and again: an encoding of Image, `jpeg`, or `damaged` for a wrong size field."""
    seen = picture()
    if encoding in ("jpeg", "damaged"):
        data = bytearray(cv2.imencode(".jpg", seen)[1].tobytes())
        if encoding == "damaged":
            frame = data.index(b"\xff\xc0")
            data[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"
        return CompressedImage(format="jpeg", data=array("B", data))
    return Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=3 * WIDTH, data=array("B", seen.tobytes()))


def main(topic: str, encoding: str, reliable: str) -> None:
    """Publish until the process is ended."""
    rclpy.init()
    node = Node("camera")
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        durability=DurabilityPolicy.VOLATILE,
        reliability=ReliabilityPolicy.RELIABLE if reliable == "reliable" else ReliabilityPolicy.BEST_EFFORT,
    )
    message = make_message(encoding)
    publisher = node.create_publisher(type(message), topic, profile)
    due_s = time.monotonic()
    for _ in range(1_000_000):
        due_s += PERIOD_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), NANOSECONDS)
        publisher.publish(message)


if __name__ == "__main__":
    main(*sys.argv[1:])
