"""What a person at a terminal meets: the acts and their advice, and the console, with a guard that the test plays."""

import select
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.config import load_run
from robot_mbrl.runs import console
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import console_process
from ros_nodes import qos
from tests.graph.graph import Graph

Start = Callable[..., subprocess.Popen[str]]
REPORT_S = 0.1
TRIES = 10
"""A machine that stalls holds everybody up; once in so many times it does not."""


class Guard:
    """Says what the test makes it say, as the actuator node does."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.enabled_by = graph.collect(Bool, topics.ENABLE, qos.EVENTS)
        self.stopped_by = graph.collect(Bool, topics.EMERGENCY_STOP, qos.EVENTS)
        self._states = graph.publisher(String, topics.STATE, qos.LATCHED)
        self._reports = graph.publisher(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self._diagnostics = graph.publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
        self.let_sensor_say("observing")
        self.be("disabled")
        graph.every(REPORT_S, self._report)

    def be(self, state: str, detail: str = "", **flags: bool) -> None:
        """Take on a state; flags that are not named are False."""
        names = ("enabled", "held_off", "latched", "emergency_pressed", "may_reset")
        self._values = {"state": state, "detail": detail} | {name: str(flags.get(name, False)) for name in names}
        self._values["may_enable"] = str(not (flags.get("held_off") or flags.get("latched")))
        self._states.publish(String(data=state))
        self._report()

    def let_sensor_say(self, text: str, **values: str) -> None:
        """What the sensor node warns of, and its figures."""
        self._sensor = text
        self._figures = [KeyValue(key=key, value=value) for key, value in values.items()]

    def _report(self) -> None:
        pairs = [KeyValue(key=key, value=value) for key, value in self._values.items()]
        self._reports.publish(DiagnosticArray(status=[DiagnosticStatus(values=pairs)]))
        sensor = DiagnosticStatus(
            level=DiagnosticStatus.WARN, name="/cartpole/sensor", message=self._sensor, values=self._figures
        )
        other = DiagnosticStatus(level=DiagnosticStatus.WARN, name="/another/sensor", message="not of this robot")
        self._diagnostics.publish(DiagnosticArray(status=[sensor, other]))

    def obey(self) -> None:
        """Move once it is enabled, and latch once it is stopped."""
        if any(message.data for message in self.stopped_by):
            self.be("latched: emergency_stop", "the emergency stop was pressed", latched=True, emergency_pressed=True)
        elif self.enabled_by and self.enabled_by[-1].data:
            self.be("moving", enabled=True)


@pytest.fixture
def guard(cartpole: Graph) -> Guard:
    return Guard(cartpole)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(load_run("cartpole", {"task.reset": "none"}), tmp_path / "run")


def finish(graph: Graph, act: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, output and complaints of a command, once it has ended."""
    graph.until(lambda: act.poll() is not None)
    printed, complaint = act.communicate()
    return act.returncode, printed.strip(), complaint.strip()


def test_enable_waits_in_silence_until_nobody_holds_the_switch(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, folder: RunFolder
) -> None:
    guard.be("disabled", "somebody still holds enable", held_off=True)
    act = robot_mbrl("enable", f"--run={folder.path}")
    said = act.stdout
    assert said is not None
    cartpole.until(lambda: select.select([said], [], [], 0.0)[0])
    assert said.readline() == "somebody holds enable: waiting until it is let go\n"
    cartpole.serve(5 * REPORT_S)
    assert guard.enabled_by == []
    guard.be("disabled")
    cartpole.until(lambda: bool(guard.enabled_by))
    guard.be("moving", enabled=True)
    assert finish(cartpole, act) == (0, "enabled: the robot carries out its policy's actions", "")


def test_dead_man_switch_lets_go_when_somebody_else_stops_the_robot(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, tmp_path: Path
) -> None:
    config = load_run("cartpole", {"task.reset": "none", "robot.guard.enable_timeout_s": 0.5})
    act = robot_mbrl("enable", f"--run={RunFolder.create(config, tmp_path / 'run').path}")
    cartpole.until(lambda: bool(guard.enabled_by))
    guard.be("moving", enabled=True)
    cartpole.serve(5 * REPORT_S)
    assert act.poll() is None
    guard.be("disabled", "somebody has said enable: false", held_off=True)
    code, _, complaint = finish(cartpole, act)
    assert code == 1
    assert "enable is let go: disabled: somebody has said enable: false" in complaint


@pytest.mark.parametrize(
    ("reset", "advice"),
    [
        ("none", "(sensor: joints: 8067 messages are refused)"),
        ("human", "when the scene is ready, robot-mbrl start-episode begins one"),
    ],
)
def test_advice_follows_from_how_the_task_resets(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, tmp_path: Path, reset: str, advice: str
) -> None:
    folder = RunFolder.create(load_run("cartpole", {"task.reset": reset}), tmp_path / "run")
    guard.let_sensor_say("joints: 8067 messages are refused")
    act = robot_mbrl("enable", f"--run={folder.path}")
    cartpole.until(lambda: bool(guard.enabled_by))
    guard.be("resetting", enabled=True)
    code, printed, _ = finish(cartpole, act)
    assert code == 0
    assert printed.startswith("enabled: the robot moves once an episode begins")
    assert printed.endswith(advice)
    assert ("start-episode" in printed) is (reset == "human")


def test_what_stops_a_robot_is_told_with_its_remedy(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, folder: RunFolder
) -> None:
    guard.be("latched: joint_limit", "slider is at 1.2 m, beyond 1.0", latched=True)
    code, _, complaint = finish(cartpole, robot_mbrl("enable", f"--run={folder.path}"))
    assert code == 1
    assert "latched: joint_limit: slider is at 1.2 m, beyond 1.0; see to it, then: robot-mbrl release" in complaint


def test_joint_is_brought_back_for_as_long_as_it_takes(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, folder: RunFolder
) -> None:
    calls: list[float] = []

    def on_call(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        calls.append(time.monotonic())
        response.success = len(calls) > 3
        response.message = "slider is within its range" if response.success else "slider moves back"
        return response

    cartpole.node.create_service(Trigger, "actuator/bring_back", on_call)
    code, printed, _ = finish(cartpole, robot_mbrl("bring-back", f"--run={folder.path}"))
    assert code == 0
    assert printed.splitlines() == [
        "slider moves back; Ctrl-C stops it",
        "slider is within its range; robot-mbrl enable lets the robot move",
    ]
    assert len(calls) == 4


def test_episode_that_the_sensor_refuses_is_a_failure_with_its_reason(
    cartpole: Graph, robot_mbrl: Start, folder: RunFolder
) -> None:
    def refuse(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = False, "this task's episodes begin by themselves"
        return response

    cartpole.node.create_service(Trigger, "sensor/start_episode", refuse)
    code, printed, complaint = finish(cartpole, robot_mbrl("start-episode", f"--run={folder.path}"))
    assert (code, printed) == (1, "")
    assert complaint == "robot-mbrl: no episode was begun: this task's episodes begin by themselves"


def test_robot_without_a_console_is_stopped_too(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, folder: RunFolder
) -> None:
    cartpole.every(REPORT_S, guard.obey)
    code, printed, _ = finish(cartpole, robot_mbrl("stop", f"--run={folder.path}"))
    assert code == 0
    assert printed.startswith("latched: emergency_stop: the emergency stop was pressed; to go on: robot-mbrl release")


@pytest.mark.parametrize("home", [None, "/proc/none"], ids=["without a home", "with one that cannot be written"])
def test_services_look_at_a_robot_and_stop_it(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, folder: RunFolder, home: str | None
) -> None:
    cartpole.environment.pop("HOME", None)
    if home is not None:
        cartpole.environment["HOME"] = home
    cartpole.every(REPORT_S, guard.obey)
    code, _, complaint = finish(cartpole, robot_mbrl("stop", f"--run={folder.path}"))
    assert (code, complaint) == (0, "")
    code, _, complaint = finish(cartpole, robot_mbrl("status", f"--run={folder.path}", "--seconds=1"))
    assert (code, complaint) == (0, "")


def test_status_says_why_nothing_happens_on_an_ordinary_terminal(
    guard: Guard, cartpole: Graph, robot_mbrl: Start, folder: RunFolder
) -> None:
    guard.be("stopped: no_observation", "nothing was heard of the sensor node", enabled=True)
    guard.let_sensor_say("source joints: velocity has 0 of 2 values", **{"refused.joints": "8067"})
    code, printed, _ = finish(cartpole, robot_mbrl("status", f"--run={folder.path}", "--seconds=3"))
    assert code == 0
    lines = printed.splitlines()
    assert "/cartpole: stopped: no_observation: nothing was heard of the sensor node" in lines
    assert "  sensor warns: source joints: velocity has 0 of 2 values (refused: joints 8067)" in lines
    assert max(len(line) for line in lines) <= 80


@pytest.fixture
def lines(cartpole: Graph, guard: Guard, tmp_path: Path) -> Callable[[], list[str]]:
    """Starts a console, waits until it has met the guard, and reads what it prints."""
    file = tmp_path / "console.log"
    process = console_process(cartpole.namespace)
    with file.open("w") as log:
        started = subprocess.Popen(
            process.command(), env=cartpole.environment, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    cartpole.processes[process.module] = started
    cartpole.until(lambda: "robot: disabled" in file.read_text())
    return lambda: file.read_text().splitlines()


def test_console_prints_each_change_of_state_with_its_reason(
    guard: Guard, cartpole: Graph, lines: Callable[[], list[str]]
) -> None:
    guard.be("moving", enabled=True)
    cartpole.until(lambda: lines()[-1] == "robot: moving")
    guard.be("stopped: stale_joints", "source joints: its stamp stands still for 0.31 s", enabled=True)
    cartpole.until(lambda: len(lines()) == 3)
    guard.be("stopped: stale_joints", "source joints: its stamp stands still for 0.52 s", enabled=True)
    guard.be("moving", enabled=True)
    cartpole.until(lambda: len(lines()) == 4)
    assert lines()[1:] == [
        "robot: moving",
        "robot: stopped: stale_joints: source joints: its stamp stands still for 0.31 s",
        "robot: moving",
    ]


def test_console_stops_the_robot_within_a_fifth_of_a_second(
    guard: Guard, cartpole: Graph, lines: Callable[[], list[str]]
) -> None:
    where = console.address(cartpole.environment["ROS_DOMAIN_ID"], cartpole.namespace)
    took_s = []
    with ThreadPoolExecutor() as threads:
        while len(took_s) < TRIES and min(took_s, default=1.0) >= 0.2:
            guard.be("moving", enabled=True)
            cartpole.until(lambda: lines()[-1] == "robot: moving")
            guard.stopped_by.clear()
            begin_s = time.monotonic()
            asked = threads.submit(console.tell, where, console.STOP)
            cartpole.until(lambda: bool(guard.stopped_by))
            took_s.append(time.monotonic() - begin_s)
            guard.obey()
            cartpole.until(asked.done)
            assert asked.result() == "latched: emergency_stop: the emergency stop was pressed"
    assert min(took_s) < 0.2


def test_nobody_is_told_that_a_silent_guard_has_stopped(cartpole: Graph, lines: Callable[[], list[str]]) -> None:
    where = console.address(cartpole.environment["ROS_DOMAIN_ID"], cartpole.namespace)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(console.tell, where, console.STOP)
        cartpole.until(asked.done)
    assert asked.result() is None
