"""How a node's process ends, and what it does besides serving its node."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.environment import free_domain, node_environment
from ros_nodes.runtime import FAILED

ROOT = Path(__file__).parents[2]
PATIENCE_S = 150.0
NODE = """
import gc, os, signal, sys, time
from rclpy.node import Node
from robot_mbrl.errors import BundleError, ConfigError
from ros_nodes import runtime
from ros_nodes.parameters import declare

class Cycle:
    left = 0
    def __init__(self):
        self.myself = self
        Cycle.left += 1
    def __del__(self):
        Cycle.left -= 1

class Tested:
    margin_s = 0.0
    deadlines = 0
    def __init__(self):
        self.node = Node("tested")
    def next_deadline_s(self):
        return time.monotonic() + 0.005
    def on_deadline(self, now_s):
        pass
    def close(self):
        pass

"""


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a node that is given as source."""
    return subprocess.run(
        [sys.executable, "-c", NODE + code, *arguments],
        env={**node_environment(os.environ), "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_what_is_wrong_from_the_start_is_the_users_to_mend() -> None:
    code = """
def build():
    raise ConfigError("parameter store: name the folder")
sys.exit(runtime.run(build))
"""
    ended = run(code)
    assert ended.returncode == USER_ERROR
    assert ended.stderr.strip() == "-c: parameter store: name the folder"


def test_what_goes_wrong_later_is_worth_another_start() -> None:
    code = """
class Failing(Tested):
    def next_deadline_s(self):
        raise BundleError("the disk is gone")
sys.exit(runtime.run(Failing))
"""
    ended = run(code)
    assert ended.returncode == FAILED
    assert ended.stderr.strip() == "-c: the disk is gone"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("speed:=2", "parameter speed: must be a number with a point (such as 2.0, not 2)"),
        ("speed:=5000.0", "parameter speed: must be from 0.01 to 1000"),
        ("keep:=many", "parameter keep: must be a whole number"),
        ("keep=3", "keep=3"),
    ],
)
def test_a_parameter_of_the_wrong_kind_is_refused_in_one_line(argument: str, message: str) -> None:
    code = """
def build():
    node = Tested()
    declare(node.node, "speed", 1.0, "", low=0.01, high=1000)
    declare(node.node, "keep", 3, "", low=1, high=100)
    return node
sys.exit(runtime.run(build))
"""
    ended = run(code, "--ros-args", "-p", argument)
    assert ended.returncode == USER_ERROR
    said = [line for line in ended.stderr.splitlines() if not line.startswith("[ERROR]")]
    assert len(said) == 1
    assert message in said[0]


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_node_that_is_asked_to_end_closes_itself(number: str) -> None:
    """SIGHUP too: the terminal of a launch may be closed, or its connection break, while a robot moves."""
    code = f"""
class Closing(Tested):
    def next_deadline_s(self):
        os.kill(os.getpid(), signal.{number})
        return super().next_deadline_s()
    def close(self):
        print("closed")
sys.exit(runtime.run(Closing))
"""
    ended = run(code)
    assert (ended.returncode, ended.stdout) == (0, "closed\n")


def test_a_loop_that_is_always_late_still_hears_messages() -> None:
    code = """
from std_msgs.msg import Bool
class Late(Tested):
    heard = 0
    def __init__(self):
        super().__init__()
        self.publisher = self.node.create_publisher(Bool, "pressed", 10)
        self.node.create_subscription(Bool, "pressed", self.on_pressed, 10)
    def next_deadline_s(self):
        return time.monotonic() - 1.0
    def on_deadline(self, now_s):
        self.publisher.publish(Bool(data=True))
        time.sleep(0.005)
    def on_pressed(self, message):
        os.kill(os.getpid(), signal.SIGINT)
sys.exit(runtime.run(Late))
"""
    assert run(code).returncode == 0


def test_a_node_with_priority_collects_garbage_between_its_deadlines_only() -> None:
    code = """
runtime.COLLECT_EVERY_S = 0.05
class Littering(Tested):
    most = 0
    def next_deadline_s(self):
        for _ in range(1000):  # more than Python by itself would let pass
            Cycle()
        Littering.most = max(Littering.most, Cycle.left)
        if Littering.most > Cycle.left:
            print("enabled" if gc.isenabled() else "disabled", Littering.most >= 1000)
            os.kill(os.getpid(), signal.SIGINT)
        return super().next_deadline_s()
sys.exit(runtime.run(Littering, priority=1))
"""
    ended = run(code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == "disabled True"


HEARD = """
from pathlib import Path
from std_msgs.msg import Bool
class Heard(Tested):
    def __init__(self):
        super().__init__()
        self.publisher = self.node.create_publisher(Bool, "pressed", 10)
        self.node.create_subscription(Bool, "heard", self.on_heard, 10)
        self.node.create_timer(0.1, lambda: self.publisher.publish(Bool(data=True)))
    def on_heard(self, message):
        print("shared" if "/dev/shm/fastrtps" in Path("/proc/self/maps").read_text() else "separate")
        os.kill(os.getpid(), signal.SIGINT)
sys.exit(runtime.run(Heard))
"""
ONLOOKER = """
import rclpy
from rclpy.node import Node
from std_msgs.msg import Bool
rclpy.init()
node = Node("onlooker")
publisher = node.create_publisher(Bool, "heard", 10)
node.create_subscription(Bool, "pressed", publisher.publish, 10)
rclpy.spin(node)
"""


@pytest.mark.parametrize("local", ["LOCALHOST", "SUBNET"])
@pytest.mark.parametrize(("transports", "memory"), [("", "separate"), ("DEFAULT", "shared")])
def test_a_node_talks_to_whoever_looks_but_shares_memory_only_where_the_user_says_so(
    local: str, transports: str, memory: str
) -> None:
    variables = {"ROS_DOMAIN_ID": str(free_domain()), "ROS_AUTOMATIC_DISCOVERY_RANGE": local}
    # As another terminal has it, where nothing of this project is set.
    environment = node_environment(os.environ) | variables
    onlooker = subprocess.Popen([sys.executable, "-c", ONLOOKER], env=environment)
    try:
        ended = run(HEARD, **variables, FASTDDS_BUILTIN_TRANSPORTS=transports)
    finally:
        onlooker.kill()
        onlooker.wait()
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == memory
    assert (f"FASTDDS_BUILTIN_TRANSPORTS={transports}: nodes use shared memory" in ended.stderr) == bool(transports)


def test_a_transport_that_ros_would_drop_is_refused() -> None:
    ended = run(
        "sys.exit(runtime.run(Tested))", ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST", FASTDDS_BUILTIN_TRANSPORTS="SHM"
    )
    assert ended.returncode == USER_ERROR
    assert ended.stderr.startswith("-c: FASTDDS_BUILTIN_TRANSPORTS=SHM has no effect beside")
