"""The supervisor keeps nodes alive, and leaves none behind, however it ends itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robot_mbrl.runs import supervisor as supervision
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.scenario import NodeProcess, Side
from robot_mbrl.runs.supervisor import NodeFailedError, StopRequest, Supervisor, share_cores

NODES = Path(__file__).parent / "nodes"
PATIENCE_S = 150.0


def node(folder: Path, name: str = "policy", behaviour: str = "obey", **kwargs: object) -> NodeProcess:
    parameters = {"behaviour": behaviour, "alive": str(folder / f"{name}.alive")}
    return NodeProcess(name, "stand_in", "stand_in", Side.ROBOT, "/robot", parameters, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(NODES), "ROS_DOMAIN_ID": "7"}


def eventually(condition: Callable[[], bool], supervisor: Supervisor | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        if supervisor is None:
            time.sleep(0.02)
        else:
            supervisor.watch(0.02)


def alive_pid(folder: Path, name: str = "policy") -> int:
    """The process id that the stand-in wrote once it was ready."""
    file, said = folder / f"{name}.alive", ""

    def has_said() -> bool:
        # Read once: a stand-in that is started again empties it before it writes.
        nonlocal said
        said = file.read_text() if file.exists() else ""
        return said != ""

    eventually(has_said)
    return int(said)


def exists(pid: int) -> bool:
    """Whether the process runs; one that has died but was not yet reaped by whoever adopted it does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_running_nodes_are_listed_by_name_and_no_longer_after_the_end(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = RunFolder(tmp_path)
    with Supervisor([node(tmp_path, "policy"), node(tmp_path, "sensor")], folder, environment):
        pids = {name: alive_pid(tmp_path, name) for name in ("policy", "sensor")}
        assert read_json(folder.processes) == pids
        assert read_json(folder.environment)["ROS_DOMAIN_ID"] == "7"
    assert read_json(folder.processes) == {}
    assert not any(exists(pid) for pid in pids.values())


def test_nodes_are_asked_by_sigint_and_what_they_print_is_kept(tmp_path: Path, environment: dict[str, str]) -> None:
    with Supervisor([node(tmp_path, niceness=7)], RunFolder(tmp_path), environment):
        alive_pid(tmp_path)
    nice = os.nice(0) + 7
    assert f"closed by SIGINT, nice {min(nice, 19)}" in (tmp_path / "logs" / "policy.log").read_text()


def moment(folder: Path, name: str, what: str) -> int:
    """When a stand-in was asked to close, or closed, by its log."""
    lines = (folder / "logs" / f"{name}.log").read_text().splitlines()
    return next(int(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{what} at "))


def test_what_drives_the_robot_has_ended_before_its_driver_and_recorder_are_asked_to(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    others = ("simulator", "recorder")
    nodes = [*(node(tmp_path, name) for name in others), node(tmp_path, "actuator", "obey_slowly", stops_first=True)]
    with Supervisor(nodes, RunFolder(tmp_path), environment) as supervisor:
        for name in (*others, "actuator"):
            alive_pid(tmp_path, name)
        assert len(supervisor.running) == 3
    for name in others:
        assert moment(tmp_path, name, "asked") > moment(tmp_path, "actuator", "closed")


def test_nodes_share_a_session_for_their_niceness_to_count_but_hear_no_ctrl_c(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with Supervisor([node(tmp_path)], RunFolder(tmp_path), environment):
        pid = alive_pid(tmp_path)
        assert os.getsid(pid) == os.getsid(0)
        assert os.getpgid(pid) != os.getpgid(0)


def test_a_killed_node_is_restarted_and_counted(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = RunFolder(tmp_path)
    with Supervisor([node(tmp_path)], folder, environment) as supervisor:
        first = alive_pid(tmp_path)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: alive_pid(tmp_path) != first, supervisor)
        assert supervisor.restarts == {"policy": 1}
        assert read_json(folder.processes) == {"policy": alive_pid(tmp_path)}


def test_a_node_that_was_told_something_wrong_is_not_restarted(tmp_path: Path, environment: dict[str, str]) -> None:
    with (
        pytest.raises(NodeFailedError, match=r"policy node ended with code 2: stand_in: the field is wrong"),
        Supervisor([node(tmp_path, behaviour="user_error")], RunFolder(tmp_path), environment) as supervisor,
    ):
        eventually(lambda: False, supervisor)


def test_an_essential_node_that_keeps_crashing_is_given_up_with_its_last_words(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.0, 0.05))
    with (
        pytest.raises(NodeFailedError, match="RuntimeError: this node is broken"),
        Supervisor([node(tmp_path, behaviour="crash", essential=True)], RunFolder(tmp_path), environment) as supervisor,
    ):
        eventually(lambda: False, supervisor)
    assert supervisor.restarts == {"policy": 2}


def test_other_nodes_go_on_while_one_that_nobody_needs_keeps_crashing(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.0, 0.05))
    nodes = [node(tmp_path, "policy", essential=True), node(tmp_path, "learner", behaviour="crash")]
    with Supervisor(nodes, RunFolder(tmp_path), environment) as supervisor:
        pid = alive_pid(tmp_path, "policy")
        assert supervisor.failing == []
        eventually(lambda: supervisor.restarts["learner"] >= 5, supervisor)
        assert supervisor.failing == ["learner"]
        assert exists(pid)
        assert supervisor.restarts["policy"] == 0


def test_what_nodes_die_of_is_told_at_once_and_then_in_a_while(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.0, 0.05))
    learner = node(tmp_path, "learner", behaviour="crash")
    told: list[str] = []
    with Supervisor([learner], RunFolder(tmp_path), environment) as supervisor:
        while supervisor.restarts["learner"] < 5:
            supervisor.watch(0.02)
            told += supervisor.news()
    last_words = "learner node ended with code 1 and is started again: RuntimeError: this node is broken"
    assert told == [last_words] * supervision.DEATHS


def test_killed_node_is_told_of_with_the_signal(tmp_path: Path, environment: dict[str, str]) -> None:
    with Supervisor([node(tmp_path)], RunFolder(tmp_path), environment) as supervisor:
        os.kill(alive_pid(tmp_path), signal.SIGKILL)
        eventually(lambda: supervisor.restarts["policy"] == 1, supervisor)
        assert supervisor.news() == ["policy node was ended by SIGKILL and is started again: it said nothing"]


def test_nodes_write_their_logs_into_the_run_for_want_of_a_home(tmp_path: Path, environment: dict[str, str]) -> None:
    with Supervisor([node(tmp_path)], RunFolder(tmp_path), environment):
        variables = Path(f"/proc/{alive_pid(tmp_path)}/environ").read_text().split("\0")
    assert f"ROS_LOG_DIR={tmp_path / 'logs' / 'ros'}" in variables
    assert f"ROS_HOME={tmp_path}" in variables


def test_console_is_told_words_and_what_it_prints_is_shown(tmp_path: Path, environment: dict[str, str]) -> None:
    nodes = [node(tmp_path, "policy"), node(tmp_path, "console", behaviour="echo", is_console=True)]
    told: list[str] = []
    with Supervisor(nodes, RunFolder(tmp_path), environment) as supervisor:
        alive_pid(tmp_path, "console")
        assert supervisor.tell("stop")
        eventually(lambda: told.extend(supervisor.news()) is None and told != [], supervisor)
    assert told == ["heard stop"]
    assert not supervisor.tell("stop")


def test_watch_returns_early_when_something_can_be_read(tmp_path: Path, environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    with Supervisor([node(tmp_path)], RunFolder(tmp_path), environment) as supervisor:
        alive_pid(tmp_path)
        assert supervisor.watch(PATIENCE_S, [reader]) == [reader]
    os.close(reader)
    os.close(writer)


def test_what_a_crash_left_behind_is_no_error_of_the_user(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.0, 0.05))
    learner = node(tmp_path, "learner", behaviour="obey_once")
    with Supervisor([learner], RunFolder(tmp_path), environment) as supervisor:
        os.kill(alive_pid(tmp_path, "learner"), signal.SIGKILL)
        eventually(lambda: supervisor.failing == ["learner"], supervisor)
        # Started again although its successor calls it an error of the user's, which at its first start ends the run.
        assert supervisor.restarts["learner"] >= 1


def test_a_node_that_does_not_listen_is_killed(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "TERM_S", 0.2)
    with Supervisor([node(tmp_path, behaviour="deaf", stop_s=0.2)], RunFolder(tmp_path), environment):
        pid = alive_pid(tmp_path)
    assert not exists(pid)


SUPERVISED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_supervisor import RunFolder, StopRequest, Supervisor, node
folder = Path({folder!r})
environment = {{**os.environ, "PYTHONPATH": {nodes!r}}}
with StopRequest() as stop, Supervisor([node(folder)], RunFolder(folder), environment) as supervisor:
    while not stop.requested:
        supervisor.watch(0.1)
"""


@pytest.fixture
def supervised(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A process with a supervisor in it, as the command line has one."""
    code = SUPERVISED.format(tests=str(Path(__file__).parent), nodes=str(NODES), folder=str(tmp_path))
    return subprocess.Popen([sys.executable, "-c", code])


def test_no_node_survives_the_sudden_death_of_its_supervisor(
    tmp_path: Path, supervised: subprocess.Popen[bytes]
) -> None:
    pid = alive_pid(tmp_path)
    supervised.kill()
    supervised.wait(PATIENCE_S)
    eventually(lambda: not exists(pid))
    assert "closed by SIGTERM" in (tmp_path / "logs" / "policy.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_supervisor_that_is_asked_to_stop_closes_its_nodes(
    tmp_path: Path, supervised: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    pid = alive_pid(tmp_path)
    supervised.send_signal(number)
    assert supervised.wait(PATIENCE_S) == 0
    assert not exists(pid)


def test_a_stop_request_hands_the_signals_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: stop.requested)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_node_that_computes_gets_cores_of_its_own_and_the_others_keep_off_them(tmp_path: Path) -> None:
    nodes = [node(tmp_path, "policy"), node(tmp_path, "learner", own_cores=2)]
    assert share_cores(nodes, {0, 1, 4, 5}) == {"policy": {0, 1}, "learner": {4, 5}}


def test_cores_are_shared_where_there_are_too_few_to_divide(tmp_path: Path) -> None:
    nodes = [node(tmp_path, "policy"), node(tmp_path, "learner", own_cores=2)]
    assert share_cores(nodes, {0, 1}) == {"policy": {0, 1}, "learner": {0, 1}}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be divided")
def test_nodes_run_on_their_cores(tmp_path: Path, environment: dict[str, str]) -> None:
    nodes = [node(tmp_path, "policy"), node(tmp_path, "learner", own_cores=1)]
    with Supervisor(nodes, RunFolder(tmp_path), environment):
        cores = {name: os.sched_getaffinity(alive_pid(tmp_path, name)) for name in ("policy", "learner")}
    assert len(cores["learner"]) == 1
    assert not cores["learner"] & cores["policy"]
