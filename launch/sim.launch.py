"""Starts the simulated robot, which stands in for a real robot's driver."""

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch robot_mbrl sim.launch.py`; add `--show-args` to see the arguments."""
    return describe("sim", {"simulated": "true"})
