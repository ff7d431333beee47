"""The one table of nodes: which processes make a scenario, where they run and with which parameters.

The command line's supervisor and the launch files both read it.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import get_args

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import USER_ERROR, ConfigError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.specs import Provider
from robot_mbrl.variety import NONE, Variety

START_POLICIES = ("cached", "file", "hold", "random")
"""What may drive before a bundle has arrived."""
PROVIDERS: tuple[str, ...] = get_args(Provider)
"""What may compute the policy."""

Parameter = bool | int | float | str

LEARNER_NICENESS = 10
"""The learner takes what the control processes leave."""
ONLOOKER_NICENESS = 5
"""Nodes that only keep or report what happens wait for those that drive, where there is no real-time priority."""
VIEWER_NICENESS = 19
"""Without a GPU, drawing takes all the time that it is left."""
LEARNER_STOP_S = 30.0
"""The learner finishes an update and writes a checkpoint before it goes."""
RECORDER_STOP_S = 10.0
STOP_S = 5.0


class Side(StrEnum):
    """The computer a node runs on."""

    SIM = "sim"
    ROBOT = "robot"
    WORKSTATION = "workstation"


@dataclass(frozen=True)
class Options:
    """What a person chooses at each start; not part of the run's definition."""

    speed: float = 1.0
    """Simulated seconds per wall second."""
    view: bool = False
    """Show the robot in a window: one more node."""
    video: bool = False
    """Film the simulated robot into the run's folder."""
    seed: int = 0
    """Seed of the simulated starts."""
    lockstep: bool = False
    """Whether the simulator waits for every step, instead of passing time at `speed`."""
    start_policy: str | None = None
    """What drives before a bundle has arrived; None for the choice that suits the situation."""
    policy_file: Path | None = None
    """The bundle that start policy `file` drives with."""
    provider: str = "auto"
    """What computes the policy: auto, cpu, cuda or tensorrt."""
    accept_new_run: bool = False
    """Whether bundles of another learning run replace those that the robot has."""
    shadow: bool = False
    """Whether nothing is sent to the driver, while all else goes on."""
    speed_scale: float = 1.0
    """Share of every joint's speed that the guard allows."""
    faults: Path | None = None
    """YAML of what goes wrong with the simulated robot, or with the stand-in for a real one's driver."""
    robots: tuple[str, ...] = ()
    """Namespaces of further robots of the same kind that the learner learns from, too."""

    variety: Variety = NONE
    """How the simulated world differs from what it is built as."""

    def __post_init__(self) -> None:
        """Refuse what does not exist, or contradicts itself."""
        if self.start_policy not in (None, *START_POLICIES):
            raise ConfigError(f"start_policy: {self.start_policy!r} is none of {', '.join(START_POLICIES)}")
        if self.provider not in PROVIDERS:
            raise ConfigError(f"provider: {self.provider!r} is none of {', '.join(PROVIDERS)}")
        if self.lockstep and self.speed != 1.0:
            raise ConfigError("speed has no meaning in lockstep, which is as fast as it can be: leave one of them out")
        if self.lockstep and self.faults is not None:
            raise ConfigError(
                "lockstep waits for whatever is late or lost, so faults have no meaning in it: leave one out"
            )


@dataclass(frozen=True)
class Situation:
    """All that a node's parameters are made from."""

    config: RunConfig
    folder: RunFolder
    options: Options
    simulated: bool
    evaluate: bool
    learns: bool
    """Whether a learner is among the nodes."""


@dataclass(frozen=True)
class NodeRow:
    """A row of the table: one node."""

    name: str
    module: str
    side: Side
    parameters: Callable[[Situation], dict[str, Parameter]]
    niceness: int = 0
    stop_s: float = STOP_S
    """How long it may take to close itself before it is killed."""
    reads_clock: bool = False
    """Whether simulated time means anything to it. Others would take in `/clock` for nothing."""
    computes: bool = False
    """Whether it keeps as many cores busy all the time as the agent computes on."""
    essential: bool = False
    """Whether the robot cannot go on without it."""
    drives: bool = False
    """Whether it has a part in moving the robot; those end before the driver, the recorder and the others do."""

    @property
    def executable(self) -> str:
        """Name of its console script, for `ros2 run` and launch files."""
        return self.module.rpartition(".")[2]


@dataclass(frozen=True)
class NodeProcess:
    """A node of a scenario, ready to be started."""

    name: str
    module: str
    executable: str
    side: Side
    namespace: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    niceness: int = 0
    stop_s: float = STOP_S
    own_cores: int = 0
    """Cores that it should have to itself where other nodes run on the same machine."""
    stops_first: bool = False
    """Whether it must have ended before others are asked to."""
    essential: bool = False
    """Whether the robot cannot go on without it."""
    is_console: bool = False
    """Whether it speaks to the person at the terminal: what it prints is shown, and it may be told words."""

    def ends_all(self, code: int, restarts: int) -> bool:
        """Whether the node's death ends the scenario, since starting it again would not help.

        Args:
            code: its exit code.
            restarts: how often it has been restarted. What was told rightly at first may be wrong after a crash, such
                as a damaged checkpoint; the robot need not stop for that unless the node is essential.
        """
        return code == USER_ERROR and (self.essential or restarts == 0)

    def command(self) -> list[str]:
        """The command line that runs it with this Python."""
        arguments = ["--ros-args", "-r", f"__ns:={self.namespace}"]
        for name, value in self.parameters.items():
            arguments += ["-p", f"{name}:={_yaml(value)}"]
        return [sys.executable, "-m", self.module, *arguments]


def _simulator(s: Situation) -> dict[str, Parameter]:
    options = s.options
    parameters: dict[str, Parameter] = {"speed": options.speed, "seed": options.seed}
    parameters["mode"] = "lockstep" if options.lockstep else "paced"
    variety = options.variety
    parameters |= {"randomise": variety.randomise, "push": variety.push, "change": variety.text()}
    if options.lockstep:
        parameters["await_learner"] = s.learns
    if options.video:
        parameters["video"] = str(s.folder.video)
    return parameters | _faults(s)


def _faults(s: Situation) -> dict[str, Parameter]:
    return {"faults": str(s.options.faults)} if s.options.faults is not None else {}


def _sensor(s: Situation) -> dict[str, Parameter]:
    return {"mode": "evaluate" if s.evaluate else "train", "lockstep": s.options.lockstep}


def _actuator(s: Situation) -> dict[str, Parameter]:
    # A simulator hurts nobody; a real robot moves only when a person has enabled it.
    return {
        "simulated": s.simulated,
        "speed": s.options.speed,
        "lockstep": s.options.lockstep,
        "enable_on_start": s.simulated,
        "shadow": s.options.shadow,
        "speed_scale": s.options.speed_scale,
    }


def _policy(s: Situation) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {"speed": s.options.speed, "lockstep": s.options.lockstep}
    parameters |= {"start_policy": _start_policy(s), "provider": s.options.provider}
    if (file := s.folder.policy if s.evaluate else s.options.policy_file) is not None:
        parameters["policy_file"] = str(file)
    return parameters


def _start_policy(s: Situation) -> str:
    if s.evaluate:
        return "file"
    if s.options.start_policy is not None:
        return s.options.start_policy
    if s.options.policy_file is not None:
        return "file"
    if any(s.folder.bundles.glob("*.onnx")):
        return "cached"
    return "random" if s.simulated else "hold"


def _run_dir(s: Situation) -> dict[str, Parameter]:
    return {"run_dir": str(s.folder.path)}


def _bundle(s: Situation) -> dict[str, Parameter]:
    return {"store": str(s.folder.bundles), "accept_new_run": s.options.accept_new_run}


def _learner(s: Situation) -> dict[str, Parameter]:
    parameters = {**_run_dir(s), "lockstep": s.options.lockstep}
    return parameters | ({"robots": ",".join(s.options.robots)} if s.options.robots else {})


def _monitor(s: Situation) -> dict[str, Parameter]:
    return {"run_dir": str(s.folder.path), "evaluation": s.evaluate}


NODES = (
    NodeRow("simulator", "sim.sim_node", Side.SIM, _simulator, essential=True),
    NodeRow("sensor", "ros_nodes.sensor_node", Side.ROBOT, _sensor, reads_clock=True, drives=True, essential=True),
    NodeRow("actuator", "ros_nodes.actuator_node", Side.ROBOT, _actuator, drives=True, essential=True),
    NodeRow("policy", "ros_nodes.policy_node", Side.ROBOT, _policy, drives=True, essential=True),
    NodeRow("tracker", "ros_nodes.tracker_node", Side.ROBOT, lambda _: {}),
    NodeRow("teleop", "ros_nodes.teleop_node", Side.ROBOT, lambda _: {}),
    NodeRow("bundle", "ros_nodes.bundle_node", Side.ROBOT, _bundle, ONLOOKER_NICENESS),
    NodeRow("recorder", "ros_nodes.recorder_node", Side.ROBOT, _run_dir, ONLOOKER_NICENESS, RECORDER_STOP_S),
    NodeRow(
        "learner", "ros_nodes.learner_node", Side.WORKSTATION, _learner, LEARNER_NICENESS, LEARNER_STOP_S, computes=True
    ),
    NodeRow("monitor", "ros_nodes.monitor_node", Side.WORKSTATION, _monitor, ONLOOKER_NICENESS),
    NodeRow("stand_in", "sim.stand_in_node", Side.SIM, _faults, essential=True),
    NodeRow("viewer", "sim.view_node", Side.SIM, lambda _: {}, VIEWER_NICENESS),
)

SCENARIOS: dict[str, tuple[str, ...]] = {
    "demo": ("simulator", "sensor", "actuator", "policy", "bundle", "recorder", "learner", "monitor"),
    "evaluate": ("simulator", "sensor", "actuator", "policy", "monitor"),
    "sim": ("simulator",),
    "stand-in": ("stand_in",),
    "robot": ("sensor", "actuator", "policy", "bundle", "recorder"),
    "workstation": ("learner", "monitor"),
}
"""Nodes of each scenario. `evaluate` judges the exported policy, frozen: nothing learns or receives bundles. `stand-in`
plays a real robot's driver for those who have none at hand. Nodes of trackers and joystick join where the YAML has any.
"""


def namespace(config: RunConfig) -> str:
    """The namespace of a run's robot."""
    return config.space


def scenario(
    name: str, config: RunConfig, folder: Path, options: Options | None = None, *, simulated: bool = True
) -> tuple[NodeProcess, ...]:
    """The processes of a scenario.

    Args:
        name: a key of `SCENARIOS`.
        config: the run.
        folder: its folder, which holds its `config.yaml`.
        options: what was chosen at this start.
        simulated: whether the robot is a simulated one, which owns the clock and enables itself.

    Raises:
        ConfigError: if the options ask of a real robot what only a simulated one can do.
    """
    _check(options or Options(), simulated=simulated)
    situation = Situation(
        config,
        RunFolder(folder),
        options or Options(),
        simulated,
        evaluate=name == "evaluate",
        learns="learner" in SCENARIOS[name],
    )
    rows = {row.name: row for row in NODES}
    nodes = [*SCENARIOS[name], *(["viewer"] if situation.options.view else [])]
    if config.robot.trackers and "sensor" in nodes:
        nodes.append("tracker")
    teleop = config.robot.teleop
    if teleop is not None and teleop.is_heard and "actuator" in nodes and name != "evaluate":
        nodes.append("teleop")
    return tuple(_process(rows[node], situation) for node in nodes)


def console_process(robot: str) -> NodeProcess:
    """The operator's console, which belongs to whoever starts the robot's nodes in a terminal.

    Args:
        robot: the robot's namespace.
    """
    module = "ros_nodes.console_node"
    return NodeProcess("console", module, module.rpartition(".")[2], Side.ROBOT, robot, is_console=True)


def _check(options: Options, *, simulated: bool) -> None:
    if options.speed != 1.0 and not simulated:
        raise ConfigError(
            f"speed {options.speed:g}: a real robot's time cannot be hurried, and deadlines and timeouts divided by it "
            f"would not guard the robot; leave it at 1, or set simulated"
        )
    if options.lockstep and not simulated:
        raise ConfigError("lockstep: a real robot does not wait for its nodes; leave it out, or set simulated")


def _process(row: NodeRow, situation: Situation) -> NodeProcess:
    common: dict[str, Parameter] = {
        "config": str(situation.folder.config),
        "use_sim_time": situation.simulated and row.reads_clock,
    }
    return NodeProcess(
        name=row.name,
        module=row.module,
        executable=row.executable,
        side=row.side,
        namespace=namespace(situation.config),
        parameters={**common, **row.parameters(situation)},
        niceness=row.niceness,
        stop_s=row.stop_s,
        own_cores=situation.config.agent.own_cores(len(os.sched_getaffinity(0))) if row.computes else 0,
        stops_first=row.drives,
        essential=row.essential,
    )


def _yaml(value: Parameter) -> str:
    """A parameter as ROS's command line reads it: YAML, in which 1 is no floating-point number and 1 no string."""
    # JSON is YAML; repr keeps the point of a float.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
