"""The launch description of one computer's nodes; needs an installed ROS 2, since `launch` is not among the wheels."""

from collections.abc import Mapping

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from robot_mbrl.runs.launching import ARGUMENTS, launched

RESPAWN_S = 1.0


def describe(side: str, defaults: Mapping[str, str] | None = None) -> LaunchDescription:
    """Arguments and nodes.

    Args:
        side: `sim`, `robot` or `workstation`.
        defaults: defaults that differ from those in `ARGUMENTS`.
    """

    def start(context: LaunchContext) -> list[Node]:
        chosen = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
        return [
            Node(
                package="robot_mbrl",
                executable=node.executable,
                namespace=node.namespace,
                parameters=[dict(node.parameters)],
                prefix=f"nice -n {node.niceness}" if node.niceness else "",
                sigterm_timeout=str(node.stop_s),
                respawn=True,
                respawn_delay=RESPAWN_S,
                output="screen",
            )
            for node in launched(side, **chosen)
        ]

    arguments = [
        DeclareLaunchArgument(name, default_value=(defaults or {}).get(name, default), description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
