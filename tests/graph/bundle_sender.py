"""A learner's hand: publishes versions of a bundle from a process of its own, as a learner does.

Call with the bundle's path; each line on standard input is a version of as many digits as the bundle's own.
"""

import json
import sys
from pathlib import Path

import rclpy
from std_msgs.msg import MultiArrayDimension, UInt8MultiArray

from robot_mbrl import messages, topics
from robot_mbrl.control.bundle_file import read_bundle
from ros_nodes import qos


def main() -> None:
    """Publish each version that is asked for, until the input ends."""
    path = Path(sys.argv[1])
    data, own = path.read_bytes(), read_bundle(path).metadata.version
    rclpy.init()
    publisher = rclpy.create_node("bundle_sender").create_publisher(UInt8MultiArray, topics.POLICY, qos.LATCHED)
    for line in sys.stdin:
        # A change of equal length leaves the file's structure as it is.
        version = data.replace(*(f'"version":{json.dumps(number)},'.encode() for number in (own, int(line))))
        message = UInt8MultiArray()
        messages.write_bundle(message, MultiArrayDimension(), version)
        publisher.publish(message)
    rclpy.shutdown()


if __name__ == "__main__":
    main()
