"""What `demo.launch.py` needs of `robot-mbrl demo`; plain types, since `launch` itself belongs to ROS."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from robot_mbrl.commands.options import (
    AGENT_HELP,
    DEFAULT_MINUTES,
    NAMESPACE_HELP,
    TASK_HELP,
    faults_in_force,
    finite,
    namespace_name,
    positive,
    program,
    seed_number,
)
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.environment import joining, joining_words, ros_environment
from robot_mbrl.runs.folder import RUNS, RunFolder, write_json
from robot_mbrl.runs.launching import Check, expanded, open_or_create, yes
from robot_mbrl.runs.locking import locked
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.record import RunRecord
from robot_mbrl.runs.scenario import NodeProcess, Options, scenario
from robot_mbrl.tasks import make_task
from robot_mbrl.variety import NONE, Variety, read_changes

LOOK_S = 0.05
"""How often it is looked whether processes have ended."""
TASK = "cartpole"
"""What is learned where nobody says."""

ARGUMENTS = {
    "config": ("", f"{TASK_HELP} (empty: {TASK}, or the task of the run in run_dir)"),
    "agent": ("", AGENT_HELP),
    "seed": ("", "seed of a new run (empty: 0)"),
    "namespace": ("", NAMESPACE_HELP),
    "run_dir": ("", f"the run's folder; one that holds a run goes on with it (empty: a new one below {RUNS}/)"),
    "minutes": (f"{DEFAULT_MINUTES:g}", "how long to learn, before the policy is judged; 0 to learn until Ctrl-C"),
    "speed": ("1.0", "simulated seconds per second"),
    "lockstep": ("false", "whether the simulator waits for every step, as fast as the machine"),
    "randomise": ("false", "whether each episode's world differs: friction, masses, latency, noise, light and more"),
    "push": ("false", "whether somebody pushes the simulated robot every ten seconds or so"),
    "change": ("", "what is changed in every episode, such as 'mass=2 friction=0.5'; empty for nothing"),
    "faults": ("", "YAML of what goes wrong with the simulated robot (docs/simulation.md); empty for nothing"),
    "view": ("false", "whether the simulated robot is shown in a window"),
    "video": ("false", "whether the simulated robot is filmed into the run's folder"),
    "provider": ("auto", "what computes the policy: cpu, cuda, tensorrt, or auto for the fastest"),
}
"""Arguments of `demo.launch.py`, each with its default and description."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class LaunchedDemo:
    """A demo that ROS's `launch` is to run."""

    nodes: list[NodeProcess]
    learns_s: float
    """How long the nodes are to live; 0 for as long as nobody ends them."""
    introduction: str
    """What the person at the terminal is told first."""
    processes: Path
    """Where process ids are kept by the nodes' names, which `robot-mbrl watch` and others find a living run by."""
    judge: list[str]
    """The command that judges the exported policy and writes the results down, once the nodes have ended."""
    conclude: Callable[[float], list[str]]
    """The command that writes down, unjudged, what became of a demo that was ended after so many seconds."""
    held: ExitStack
    """Keeps the run's folder from others, as long as somebody keeps this."""


def launched_demo(check: Check = lambda config: None, **chosen: str) -> LaunchedDemo:
    """The nodes of a demo, in a folder that is made if it is missing: only once nothing is wrong with the arguments.

    Args:
        check: called with the run before there is a folder for it.
        chosen: `ARGUMENTS` as text; those left out have their defaults.

    Raises:
        ConfigError: naming the argument that is wrong, or saying why the run in the folder cannot go on.
    """
    text = {name: default for name, (default, _) in ARGUMENTS.items()} | chosen
    minutes = _read(text, "minutes", _minutes)
    faults = expanded(text["faults"]).absolute() if text["faults"] else None
    options = Options(
        speed=_read(text, "speed", positive),
        lockstep=yes(text, "lockstep"),
        variety=Variety(yes(text, "randomise"), yes(text, "push"), read_changes(text["change"].split())),
        view=yes(text, "view"),
        video=yes(text, "video"),
        faults=faults,
        provider=text["provider"],
    )
    environment = ros_environment(os.environ)

    def fits(config: RunConfig) -> None:
        _refuse_unfit(config, faults)
        check(config)

    config, folder = _run(text, fits)
    held = ExitStack()
    held.enter_context(locked(folder))
    write_json(folder.environment, joining(environment))
    record = RunRecord()
    record.take(read_metrics(folder.metrics))
    # A resumed life goes on from other starts than those it has seen.
    options = replace(options, seed=config.seed + record.robot_steps)
    words = joining_words(environment)
    status = f"{program()} status --run {folder.path}"
    return LaunchedDemo(
        nodes=list(scenario("demo", config, folder.path, options)),
        learns_s=60.0 * minutes,
        introduction=f"run folder: {folder.path}; join from another terminal: {status}, or export {words}",
        processes=folder.processes,
        judge=_judge(folder, 60.0 * minutes, options.variety),
        conclude=lambda lived_s: [*_judge(folder, lived_s, NONE), "--interrupted"],
        held=held,
    )


def end_children(pids: Iterable[int], patience_s: float) -> None:
    """Ask processes that this one has started to end, as far as they have not, and wait until they have.

    Args:
        pids: of the processes; what is no child of this one is left alone.
        patience_s: how long to wait at most.
    """
    left = [pid for pid in pids if _lives(pid)]
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    end_s = time.monotonic() + patience_s
    while (left := [pid for pid in left if _lives(pid)]) and time.monotonic() < end_s:
        time.sleep(LOOK_S)


def _lives(pid: int) -> bool:
    """Whether a child of this process has not ended; until it is asked for, its number is no other's."""
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _judge(folder: RunFolder, lived_s: float, variety: Variety) -> list[str]:
    """The command that judges what was learned, in the world in which it was."""
    varied = [f"--{name}" for name in ("randomise", "push") if getattr(variety, name)]
    varied += [f"--change={word}" for word in variety.text().split()]
    return [sys.executable, "-m", "robot_mbrl.commands.demo_end", str(folder.path), f"{lived_s:g}", *varied]


def _run(text: Mapping[str, str], check: Check) -> tuple[RunConfig, RunFolder]:
    """The run in the folder, or a new one."""
    namespace = _read(text, "namespace", namespace_name) if text["namespace"] else ""
    path = expanded(text["run_dir"]) if text["run_dir"] else None
    if path is not None and (path / "config.yaml").is_file():
        if defining := [name for name in ("agent", "seed") if text[name]]:
            raise ConfigError(
                f"{' and '.join(defining)}: {path} holds a run, which keeps what its config.yaml says: leave that out, "
                "or name another folder in run_dir"
            )
        return open_or_create(text["config"], text["run_dir"], namespace, check)
    overrides = {"task.agent": text["agent"], "namespace": namespace}
    config = load_run(
        expanded(text["config"] or TASK),
        {name: value for name, value in overrides.items() if value},
        _read(text, "seed", seed_number) if text["seed"] else 0,
    )
    check(config)
    return config, RunFolder.create(config, path)


def _refuse_unfit(config: RunConfig, faults: Path | None) -> None:
    """Refuse a run that has no simulated robot or no task to learn, and faults that the robot cannot have."""
    if config.task.world is None:
        raise ConfigError(f"config: {config.task.name} exists in hardware only: use robot.launch.py and the others")
    make_task(config.task.task)
    faults_in_force(faults, config.robot)


def _minutes(text: str) -> float:
    minutes = finite(text)
    if minutes < 0.0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return minutes


def _read(text: Mapping[str, str], name: str, read: Callable[[str], Value]) -> Value:
    """An argument, as the command line reads the same option."""
    try:
        return read(text[name])
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{name}: {error}") from None
