"""Starts what runs on the workstation: the learner and the monitor."""

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch robot_mbrl workstation.launch.py`; add `--show-args` to see the arguments."""
    return describe("workstation")
