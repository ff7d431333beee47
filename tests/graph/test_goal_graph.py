"""A planning policy over real DDS: it drives for the goal that is told, and no bad goal or dead teller misleads it."""

import math
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from sensor_msgs.msg import JointState

from robot_mbrl import messages, topics
from robot_mbrl.config import load_run
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.learning.synchronous import SynchronousTraining
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.scenario import Options, scenario
from robot_mbrl.specs import Source
from ros_nodes import qos
from sim.in_process import InProcessRobot
from tests.graph.experience_bench import bags
from tests.graph.graph import PATIENCE_S, Graph

LEARNED_STEPS, SEED = 1000, 0
"""After which the planner balances the rod wherever the motor can hold it, if not to a hair."""
NEAR_RAD = 0.2
HOUR_S = 3600.0
SETTLED = 20
"""Newest observations that are looked at: a second of the robot's time."""
Start = Callable[..., subprocess.Popen[str]]


class Robot:
    """A simulated pendulum with a policy that plans, as it is seen over the graph."""

    def __init__(self, graph: Graph, folder: RunFolder, policy: Path) -> None:
        self.graph, self.folder = graph, folder
        config = load_run(folder.path)
        self.spec = config.action_spec()
        self._goals = graph.publisher(JointState, topics.GOAL, qos.EVENTS)
        self._observed = graph.collect(JointState, topics.OBSERVATION, qos.STEPS)
        self._applied = graph.collect(JointState, topics.APPLIED_ACTION, qos.STEPS)
        self._health = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
        shutil.copy(policy, folder.policy)
        # In lockstep, what the robot does depends on no machine's load.
        driven = scenario("evaluate", config, folder.path, Options(lockstep=True))
        recorder = next(node for node in scenario("demo", config, folder.path) if node.name == "recorder")
        for node in (recorder, *(node for node in driven if node.name != "monitor")):
            graph.launch(node)
        graph.until(lambda: self._goals.get_subscription_count() == 2)  # the sensor node's and the recorder's
        graph.until(lambda: Source.POLICY in self.sources(-SETTLED))

    @property
    def lived(self) -> int:
        return len(self._observed)

    def observed(self, since: int) -> list[dict[str, float]]:
        """What was observed from that observation on, or of so many newest if it is negative."""
        return [messages.read_named(message) for message in self._observed[since:]]

    def sources(self, since: int = 0) -> list[Source]:
        return [messages.read_action(message, self.spec).source for message in self._applied[since:]]

    def until_refused(self, times: int) -> str:
        """Until the sensor node reports that it has refused so many goals; returns why it refused the last."""
        count = len(self._health)

        def reported() -> dict[str, str]:
            found = (status for message in self._health[count:] for status in message.status)
            figures = [{v.key: v.value for v in s.values} for s in found if s.name == "/pendulum/sensor"]
            return next((f for f in figures if f.get("refused.goal") == str(times)), {})

        self.graph.until(reported)
        return reported()["refusal.goal"]

    def balances_at(self, angle_rad: float) -> bool:
        """Whether it has been told to be at an angle, and been there in the mean, for a second."""
        newest = self.observed(-SETTLED)
        told = len(newest) == SETTLED and all(values["goal_angle"] == pytest.approx(angle_rad) for values in newest)
        return told and is_near(newest, angle_rad)

    def tell(self, age_s: float = 0.0, **goal: float) -> None:
        """Publish a goal as anybody's program does."""
        message = JointState(name=list(goal), position=array("d", goal.values()))
        messages.write_stamp(message.header.stamp, time.time_ns() - round(age_s * NANOSECONDS))
        self._goals.publish(message)


def is_near(observed: list[dict[str, float]], angle_rad: float) -> bool:
    """Whether the rod is upright all the time, and in the mean at an angle."""
    angles = [_angle_rad(values) for values in observed]
    return max(map(abs, angles)) < 1.0 and abs(sum(angles) / len(angles) - angle_rad) < NEAR_RAD


def _angle_rad(values: Mapping[str, float]) -> float:
    return math.atan2(values["angle_sin"], values["angle_cos"])


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a planner that has learned from what it lived through, in one process."""
    config = load_run("pendulum-goal", seed=SEED)
    folder = RunFolder.create(config, tmp_path_factory.mktemp("learned") / "run")
    robot = InProcessRobot(config, seed=SEED)
    training = SynchronousTraining(config, folder, robot)
    for _ in training.run(LEARNED_STEPS):
        pass
    folder.policy.write_bytes(training.learner.export())
    robot.close()
    return folder.policy


@pytest.fixture
def pendulum(graph_environment: dict[str, str]) -> Iterator[Graph]:
    graph = Graph(graph_environment, "/pendulum")
    yield graph
    graph.close()


@pytest.fixture
def robot(pendulum: Graph, policy: Path, tmp_path: Path) -> Robot:
    # One episode, so that a goal is reached within it.
    config = load_run("pendulum-goal", {"task.episode_steps": 100_000})
    return Robot(pendulum, RunFolder.create(config, tmp_path / "run"), policy)


@pytest.fixture
def robot_mbrl(pendulum: Graph) -> Iterator[Start]:
    """Starts a command in the graph's domain, and ends it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "robot_mbrl.cli", *words]
        started.append(subprocess.Popen(command, env=pendulum.environment, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_goal_told_from_the_command_line_is_driven_to_recorded_and_outlasts_its_teller(
    robot: Robot, robot_mbrl: Start
) -> None:
    graph, run = robot.graph, f"--run={robot.folder.path}"
    graph.until(lambda: robot.balances_at(0.0))
    telling = robot_mbrl("goal", run, "goal_angle=0.3")
    graph.until(lambda: telling.poll() is not None)
    assert telling.returncode == 0
    graph.until(lambda: robot.balances_at(0.3))

    # Whoever tells the way is killed on it: the goal that was told last is still driven to, and nothing else happens.
    way = robot.folder.path / "way.yaml"
    way.write_text("goals:\n  - {goal_angle: -0.3}\n  - {goal_angle: 0.0}\n")
    telling = robot_mbrl("goal", run, f"--path={way}")
    graph.until(lambda: robot.observed(-1)[0]["goal_angle"] == pytest.approx(-0.3))
    telling.send_signal(signal.SIGKILL)
    telling.wait(PATIENCE_S)
    graph.until(lambda: robot.balances_at(-0.3))
    lived = robot.lived
    graph.until(lambda: robot.lived > lived + 3 * SETTLED)
    assert is_near(robot.observed(lived), -0.3)
    assert Source.STOP not in robot.sources(-3 * SETTLED)

    assert graph.stop("ros_nodes.recorder_node") == 0
    steps = list(StepReader(robot.spec).read(bags(robot.folder.path)))
    recorded = [step.observation.values["goal_angle"] for step in steps]
    assert [value for value, before in zip(recorded, [None, *recorded], strict=False) if value != before] == [
        0.0,
        pytest.approx(0.3),
        pytest.approx(-0.3),
    ]
    assert messages_on(f"{graph.namespace}/{topics.GOAL}", bags(robot.folder.path)) >= 2


def messages_on(topic: str, files: list[Path]) -> int:
    count = 0
    for path in files:
        with path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            count += sum(1 for _ in reader.iter_decoded_messages(topics=[topic]))
    return count


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bad_goals_are_refused_by_name_the_last_good_one_stands_and_status_shows_it(
    robot: Robot, robot_mbrl: Start
) -> None:
    graph = robot.graph
    robot.tell(goal_angle=0.25)
    graph.until(lambda: robot.observed(-1)[0]["goal_angle"] == 0.25)
    bad = [
        ({"goal_angle": math.nan}, "goal_angle of nan rad is not from"),
        ({"goal_angle": 9.0}, "goal_angle of 9 rad is not from -3.1416 to 3.1416"),
        ({"goal_angle": -0.3, "goal_height": 1.0}, "'goal_height' is no goal of this task"),
        ({"goal_angle": -0.3, "age_s": HOUR_S}, "its stamp is 3.6e+03 s old, more than 2 s"),
        ({"goal_angle": -0.3, "age_s": -HOUR_S}, " s ahead of this computer's clock"),
    ]
    lived = robot.lived
    for number, (goal, reason) in enumerate(bad, start=1):
        robot.tell(**goal)
        assert reason in robot.until_refused(number)
    assert {values["goal_angle"] for values in robot.observed(lived)} == {0.25}

    shown = robot_mbrl("status", f"--run={robot.folder.path}", "--seconds=2")
    graph.until(lambda: shown.poll() is not None)
    printed = shown.communicate()[0]
    assert "  goal: goal_angle 0.25, weight_effort 0; refused: goal: its stamp is " in printed
    assert "(refused: goal 5)" in printed
