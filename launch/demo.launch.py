"""Starts a simulated robot that learns a task live, and judges its policy in the end, as `robot-mbrl demo` does."""

from launch import LaunchDescription

from ros_nodes.launch_description import describe_demo


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch robot_mbrl demo.launch.py`; add `--show-args` to see the arguments."""
    return describe_demo()
