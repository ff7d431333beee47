"""The launch descriptions of one computer's nodes, and of a demo; they need ROS's `launch`, which no wheel brings."""

import atexit
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events import matches_action
from launch.events.process import ProcessExited, ProcessStarted, ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from robot_mbrl.commands import launched_demo
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.folder import write_json
from robot_mbrl.runs.launching import ARGUMENTS, launched
from robot_mbrl.runs.scenario import SCENARIOS, NodeProcess
from ros_nodes.claims import refuse_second

RESPAWN_S = 1.0
"""Between the death of a node and its restart; while it lasts, a shutdown can still prevent that."""
DIES_WITH_LAUNCH = "setpriv --pdeathsig TERM"
"""`ros2 launch` leaves at SIGTERM what it has started; with its death as their SIGTERM, nodes stop the robot and
themselves in order all the same."""


def describe(side: str, defaults: Mapping[str, str] | None = None) -> LaunchDescription:
    """Arguments and nodes.

    Args:
        side: `sim`, `robot` or `workstation`.
        defaults: defaults that differ from those in `ARGUMENTS`.
    """
    arguments = {name: ((defaults or {}).get(name, default), text) for name, (default, text) in ARGUMENTS.items()}
    return _described(arguments, lambda chosen: [_action(node) for node in launched(side, _alone(side), **chosen)])


def describe_demo() -> LaunchDescription:
    """Arguments, the nodes of a simulated robot that learns, and what judges its policy in the end."""

    def start(chosen: Mapping[str, str]) -> list[Action]:
        demo = launched_demo.launched_demo(_alone("demo"), **chosen)
        nodes = [_action(node) for node in demo.nodes]
        return [LogInfo(msg=demo.introduction), *nodes, *_conclusion(demo, nodes)]

    return _described(launched_demo.ARGUMENTS, start)


def _alone(name: str) -> Callable[[RunConfig], None]:
    """Refuses to start a scenario of a robot that has some of its nodes already."""
    return lambda config: refuse_second(config.space, SCENARIOS[name])


def _described(
    arguments: Mapping[str, tuple[str, str]], start: Callable[[Mapping[str, str]], Sequence[Action]]
) -> LaunchDescription:
    """Arguments, each with its default and description, and what is started once they are known."""

    def opaque(context: LaunchContext) -> Sequence[Action]:
        if LaunchConfiguration("ros_namespace", default="").perform(context):
            # Commands to the robot and other launch files would look for it where the run says that it is.
            raise ConfigError(
                "PushRosNamespace does not move these nodes: give this launch file the argument namespace:=NAME instead"
            )
        return start({name: LaunchConfiguration(name).perform(context) for name in arguments})

    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=opaque)])


def _conclusion(demo: launched_demo.LaunchedDemo, nodes: Sequence[Node]) -> list[Action]:
    """When the time is up: the end of the nodes, then the judging of the policy, then the end of launch.

    Whoever ends it before has the results written down unjudged, as `robot-mbrl demo` does.
    """
    living: set[Action] = set()
    processes: dict[str, int] = {}
    time_is_up = False
    judge = ExecuteProcess(cmd=demo.judge, name="evaluate", prefix=DIES_WITH_LAUNCH, output="screen")
    judged = False
    begun_s = time.monotonic()

    def end(context: LaunchContext) -> list[Action]:
        nonlocal time_is_up
        time_is_up = True
        return [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(node))) for node in nodes]

    def on_start(event: ProcessStarted, context: LaunchContext) -> None:
        if event.action in nodes:
            living.add(event.action)
            processes[demo.nodes[nodes.index(event.action)].name] = event.pid
            write_json(demo.processes, processes)

    def on_exit(event: ProcessExited, context: LaunchContext) -> Action | None:
        nonlocal judged
        judged = judged or (event.action is judge and event.returncode == 0)
        living.discard(event.action)
        # With the end of judging launch has nothing more to do, and ends.
        return judge if time_is_up and not living and event.action in nodes else None

    def conclude() -> None:
        """Write down what became of a demo that somebody has ended before its time."""
        if processes and not judged:
            # At Ctrl-C they have ended by now, at SIGTERM launch has left them.
            launched_demo.end_children(processes.values(), max(node.stop_s for node in demo.nodes))
            subprocess.run(demo.conclude(time.monotonic() - begun_s), check=False)

    # At SIGTERM launch handles no event of its own any more.
    atexit.register(conclude)

    # Without a limit, too: the demo, and with it the lock on its folder, lasts as long as these functions.
    handlers = [
        RegisterEventHandler(what) for what in (OnProcessStart(on_start=on_start), OnProcessExit(on_exit=on_exit))
    ]
    told = LogInfo(msg="the time is up: the nodes end, and the frozen policy is judged from unseen starts")
    timer = TimerAction(period=demo.learns_s, actions=[told, OpaqueFunction(function=end)])
    return [*handlers, *([timer] if demo.learns_s else [])]


def _action(node: NodeProcess) -> Node:
    # By this Python, so that it is found however the package is installed.
    return Node(
        executable=sys.executable,
        arguments=["-m", node.module],
        exec_name=node.name,
        namespace=node.namespace,
        parameters=[dict(node.parameters)],
        prefix=" ".join([DIES_WITH_LAUNCH, *([f"nice -n {node.niceness}"] if node.niceness else [])]),
        sigterm_timeout=str(node.stop_s),
        respawn=True,
        respawn_delay=RESPAWN_S,
        on_exit=_on_exit(node),
        output="screen",
    )


def _on_exit(node: NodeProcess) -> Callable[[ProcessExited, LaunchContext], OpaqueFunction | None]:
    """What follows a node's death, besides its restart: the end of everything if restarting would not help."""
    restarts = 0

    def end(context: LaunchContext) -> None:
        # What is raised here ends launch with an exit code of 1; a shutdown would say that all went well.
        raise ConfigError(f"the {node.name} node was told something wrong: its message is above")

    def on_exit(event: ProcessExited, context: LaunchContext) -> OpaqueFunction | None:
        nonlocal restarts
        restarts += 1
        return OpaqueFunction(function=end) if node.ends_all(event.returncode, restarts - 1) else None

    return on_exit
