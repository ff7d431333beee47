"""The launch description of one computer's nodes; needs ROS's `launch`, which is not among the wheels."""

import sys
from collections.abc import Callable, Mapping

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.launching import ARGUMENTS, launched
from robot_mbrl.runs.scenario import NodeProcess

RESPAWN_S = 1.0
"""Between the death of a node and its restart; while it lasts, a shutdown can still prevent that."""


def describe(side: str, defaults: Mapping[str, str] | None = None) -> LaunchDescription:
    """Arguments and nodes.

    Args:
        side: `sim`, `robot` or `workstation`.
        defaults: defaults that differ from those in `ARGUMENTS`.
    """

    def start(context: LaunchContext) -> list[Node]:
        if LaunchConfiguration("ros_namespace", default="").perform(context):
            # Commands to the robot and other launch files would look for it where the run says that it is.
            raise ConfigError(
                "PushRosNamespace does not move these nodes: give this launch file the argument namespace:=NAME instead"
            )
        chosen = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
        return [_action(node) for node in launched(side, **chosen)]

    arguments = [
        DeclareLaunchArgument(name, default_value=(defaults or {}).get(name, default), description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def _action(node: NodeProcess) -> Node:
    # By this Python, so that it is found however the package is installed. `ros2 launch` leaves at SIGTERM what it has
    # started; with its death as their SIGTERM, nodes stop the robot and themselves in order all the same.
    return Node(
        executable=sys.executable,
        arguments=["-m", node.module],
        exec_name=node.name,
        namespace=node.namespace,
        parameters=[dict(node.parameters)],
        prefix=" ".join(["setpriv --pdeathsig TERM", *([f"nice -n {node.niceness}"] if node.niceness else [])]),
        sigterm_timeout=str(node.stop_s),
        respawn=True,
        respawn_delay=RESPAWN_S,
        on_exit=_on_exit(node),
        output="screen",
    )


def _on_exit(node: NodeProcess) -> Callable[[ProcessExited, LaunchContext], Shutdown | None]:
    """What follows a node's death, besides its restart: the end of everything if restarting would not help."""
    restarts = 0

    def on_exit(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        nonlocal restarts
        restarts += 1
        if node.ends_all(event.returncode, restarts - 1):
            return Shutdown(reason=f"the {node.name} node was told something wrong: its message is above")
        return None

    return on_exit
