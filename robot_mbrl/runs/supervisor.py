"""Starts a scenario's nodes as processes, restarts one that dies, and leaves none behind."""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Self

from robot_mbrl.errors import RobotMbrlError
from robot_mbrl.runs.environment import joining
from robot_mbrl.runs.folder import RunFolder, write_json
from robot_mbrl.runs.logs import Log
from robot_mbrl.runs.scenario import NodeProcess
from robot_mbrl.runs.throttle import Throttle

BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Waits before each restart in a row; a first death is answered at once. After the last an essential node is given up;
others go on being restarted, with the longest."""
STEADY_S = 20.0
"""A node that lived this long is well: its earlier deaths no longer count."""
TERM_S = 2.0
"""Between SIGTERM and SIGKILL for a node that did not close itself in its time."""
LOG_TAIL = 3
"""Lines of a node's log that are quoted when it fails for good."""
DEATHS = 2
"""Deaths of one node that are told at once."""
DEATH_PERIOD_S = 10.0
"""How often one more is told while it dies again and again."""

PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NodeFailedError(RobotMbrlError):
    """A node cannot be kept running; the message quotes what it said last."""


class StopRequest:
    """Notes SIGINT, SIGTERM and SIGHUP instead of dying of them, while used as a context manager."""

    def __init__(self) -> None:
        """Nothing is requested yet."""
        self.requested = False
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


@dataclass
class _Child:
    """A node and what became of its processes."""

    spec: NodeProcess
    log: Log
    deaths: Throttle
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started_s: float = 0.0
    restart_s: float = 0.0
    deaths_in_a_row: int = 0
    restarts: int = 0


class Supervisor:
    """Keeps the nodes of a scenario running; a context manager that stops them on leaving.

    If this process itself is killed, the kernel asks every node to stop.
    """

    def __init__(self, nodes: Sequence[NodeProcess], folder: RunFolder, environment: Mapping[str, str]) -> None:
        """Prepare, but start nothing.

        Args:
            nodes: what to run.
            folder: where the logs, `processes.json` and `environment.json` are written.
            environment: the nodes' variables.
        """
        self._children = {
            node.name: _Child(
                node,
                Log(folder.logs / f"{node.name}.log", whole=node.is_console),
                Throttle(DEATHS, DEATH_PERIOD_S),
            )
            for node in nodes
        }
        self._folder = folder
        # A service has no home, where ROS would otherwise write.
        places = {"ROS_HOME": str(folder.path), "ROS_LOG_DIR": str(folder.ros_logs)}
        self._environment = {**environment, **places}
        self._cores = share_cores(nodes, os.sched_getaffinity(0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def restarts(self) -> dict[str, int]:
        """How often each node has been restarted."""
        return {name: child.restarts for name, child in self._children.items()}

    @property
    def failing(self) -> list[str]:
        """Nodes that died again and again, and have not been well since."""
        now_s = time.monotonic()
        return [
            name
            for name, child in self._children.items()
            if child.deaths_in_a_row >= len(BACKOFF_S)
            and (child.process is None or now_s - child.started_s <= STEADY_S)
        ]

    @property
    def running(self) -> dict[str, int]:
        """Process id of every node that runs, by name."""
        return {name: child.process.pid for name, child in self._children.items() if child.process is not None}

    def start(self) -> None:
        """Start every node."""
        self._folder.logs.mkdir(parents=True, exist_ok=True)
        write_json(self._folder.environment, joining(self._environment))
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            for child in self._children.values():
                self._launch(child)
            undo.pop_all()
        self._write_processes()

    def watch(self, timeout_s: float, also: Sequence[int] = ()) -> list[int]:
        """Wait, and restart nodes that die meanwhile; returns at the latest after `timeout_s`, or when one died.

        Args:
            timeout_s: longest wait.
            also: descriptors to wait for besides.

        Returns:
            Those of `also` that can be read.

        Raises:
            NodeFailedError: if a node was told something wrong, or one that the robot needs keeps dying.
        """
        due_s = [child.restart_s for child in self._children.values() if child.process is None]
        wait_s = max(0.0, min([timeout_s, *(due - time.monotonic() for due in due_s)]))
        pidfds = [child.pidfd for child in self._children.values() if child.process is not None]
        ready, _, _ = select.select([*pidfds, *also], [], [], wait_s)
        changed = False
        for child in self._children.values():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
                changed = True
            if child.process is None and time.monotonic() >= child.restart_s:
                self._launch(child)
                child.restarts += 1
                changed = True
        if changed:
            self._write_processes()
        return [descriptor for descriptor in also if descriptor in ready]

    def news(self) -> list[str]:
        """What people should see of the nodes since they were last asked for: deaths, warnings, the console's lines."""
        now_s = time.monotonic()
        said = []
        for name, child in self._children.items():
            # A console speaks for the robot, not for itself.
            said += [line if child.spec.is_console else f"{name} node: {line}" for line in child.log.news(now_s)]
            if (death := child.deaths.due(now_s)) is not None:
                said.append(death)
        return said

    def tell(self, word: str) -> bool:
        """Tell the console a word; returns whether there is one to hear it."""
        heard = False
        for child in self._children.values():
            if child.process is not None and child.process.stdin is not None:
                # One that is dying is started again, and not told again: the act would come late.
                with contextlib.suppress(OSError):
                    child.process.stdin.write(f"{word}\n".encode())
                    heard = True
        return heard

    def stop(self) -> None:
        """Stop what drives the robot, then the others: the guard's last commands still find driver and recorder."""
        for first in (True, False):
            self._stop([child for child in self._children.values() if child.spec.stops_first is first])
        self._write_processes()

    def _stop(self, children: Sequence[_Child]) -> None:
        """Ask nodes to close themselves, wait their time, and end those that did not."""
        deadlines_s = {child.spec.name: time.monotonic() + child.spec.stop_s for child in children}
        self._signal(signal.SIGINT, list(deadlines_s))
        late = self._await(deadlines_s)
        self._signal(signal.SIGTERM, late)
        late = self._await(dict.fromkeys(late, time.monotonic() + TERM_S))
        self._signal(signal.SIGKILL, late)
        for child in children:
            if child.process is not None:
                child.process.wait()
                self._forget(child)

    def _launch(self, child: _Child) -> None:
        spec = child.spec
        child.log.begin()
        with child.log.path.open("ab") as log:
            child.process = subprocess.Popen(
                spec.command(),
                stdin=subprocess.PIPE if spec.is_console else subprocess.DEVNULL,
                bufsize=0,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                # Out of the terminal's process group: Ctrl-C reaches the supervisor, which stops what drives
                # the robot before its driver and the recorder.
                # Not out of its session: between sessions, Linux's autogroups make niceness meaningless.
                process_group=0,
                preexec_fn=_child_setup(spec.niceness, self._cores[spec.name]),
            )
        child.pidfd = os.pidfd_open(child.process.pid)
        child.started_s = time.monotonic()

    def _bury(self, child: _Child) -> None:
        """Note a death and when to restart, or give the node up."""
        assert child.process is not None
        code = child.process.returncode
        self._forget(child)
        now_s = time.monotonic()
        if now_s - child.started_s > STEADY_S:
            child.deaths_in_a_row = 0
        given_up = child.spec.essential and child.deaths_in_a_row >= len(BACKOFF_S)
        if given_up or child.spec.ends_all(code, child.restarts):
            raise NodeFailedError(self._obituary(child, code))
        child.restart_s = now_s + BACKOFF_S[min(child.deaths_in_a_row, len(BACKOFF_S) - 1)]
        child.deaths_in_a_row += 1
        child.deaths.offer(f"{child.spec.name} node {_ended(code)} and is started again: {child.log.last_words()}")

    def _obituary(self, child: _Child, code: int) -> str:
        return f"{child.spec.name} node {_ended(code)}: {child.log.last_words(LOG_TAIL)} (its log: {child.log.path})"

    def _forget(self, child: _Child) -> None:
        os.close(child.pidfd)
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process, child.pidfd = None, -1

    def _signal(self, number: signal.Signals, names: Sequence[str]) -> None:
        for name in names:
            process = self._children[name].process
            if process is not None:
                process.send_signal(number)

    def _await(self, deadlines_s: Mapping[str, float]) -> list[str]:
        """Wait for nodes to end, each up to its own deadline; returns those that did not."""
        late = []
        for name, deadline_s in deadlines_s.items():
            process = self._children[name].process
            if process is None:
                continue
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                late.append(name)
        return late

    def _write_processes(self) -> None:
        # Only shown to people: a disk that is full must not stop a robot.
        with contextlib.suppress(OSError):
            write_json(self._folder.processes, self.running)


def share_cores(nodes: Sequence[NodeProcess], cores: Collection[int]) -> dict[str, set[int]]:
    """Which cores each node may run on.

    A node that computes gets its own, and the others keep off them: left to the scheduler, control processes with
    real-time priority interrupt the learner on whichever core it is, and it makes half as many updates.

    Args:
        nodes: those of one machine.
        cores: those there are.

    Returns:
        Cores by name of node: all of them for each where there are too few to divide.
    """
    left = sorted(cores)
    if sum(node.own_cores for node in nodes) >= len(left):
        return {node.name: set(left) for node in nodes}
    shares = {}
    for node in nodes:
        if node.own_cores:
            shares[node.name] = {left.pop() for _ in range(node.own_cores)}
    return {node.name: shares.get(node.name, set(left)) for node in nodes}


def _ended(code: int) -> str:
    """How a process ended, by what `Popen` calls its return code."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _child_setup(niceness: int, cores: set[int]) -> Callable[[], None]:
    """What a child does between fork and exec: it ties its life to its parent's, and leaves others their share."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def setup() -> None:
        # SIGTERM and not SIGKILL: the guard still stops its robot, the recorder still closes its file.
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        with contextlib.suppress(OSError):
            os.nice(niceness)
            os.sched_setaffinity(0, cores)

    return setup
