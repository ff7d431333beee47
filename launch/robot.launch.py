"""Starts what runs on the robot: sensing, guard, policy, bundle store and recorder."""

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch robot_mbrl robot.launch.py`; add `--show-args` to see the arguments."""
    return describe("robot")
