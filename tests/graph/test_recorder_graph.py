"""The recorder over real DDS: killed at any moment it loses one step at most, and gets back what it missed."""

import resource
from collections.abc import Callable

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from robot_mbrl import topics
from robot_mbrl.config import load_run
from robot_mbrl.experience.reading import StepReader
from ros_nodes import qos
from tests.graph.experience_bench import RobotBench, bags

CONFIG = load_run("cartpole-image")
RECORDER = "ros_nodes.recorder_node"


@pytest.fixture
def robot(graph) -> RobotBench:
    return RobotBench(graph, CONFIG)


@pytest.fixture
def start(graph, robot, tmp_path) -> Callable[..., None]:
    """Starts a recorder, and waits until it listens."""

    def start_recorder(**parameters: int) -> None:
        graph.start(RECORDER, config="cartpole-image", run_dir=str(tmp_path), **parameters)
        graph.until(lambda: robot.heard)

    return start_recorder


@pytest.fixture
def recorded(robot, tmp_path) -> Callable[[], list[int]]:
    """Tells the numbers of the whole steps in the files."""
    return lambda: robot.numbers(StepReader(CONFIG.action_spec(), ["camera"]).read(bags(tmp_path)))


def test_a_killed_recorder_loses_one_step_at_most_and_its_successor_records_what_was_missed(
    graph, robot, start, recorded, tmp_path
):
    start()
    for number in range(40):
        robot.live()
        if number < 39:
            graph.until(lambda number=number: recorded()[-1:] == [number])
    graph.kill(RECORDER)
    assert recorded() in (list(range(39)), list(range(40)))

    robot.live(10)
    start()
    graph.until(lambda: recorded()[-1:] == [49])
    robot.live()
    graph.until(lambda: recorded()[-1:] == [50])
    assert graph.stop(RECORDER) == 0
    assert recorded() == list(range(51))

    stamps: dict[str, list[int]] = {}
    for path in bags(tmp_path):
        with path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            for _, channel, _, message in reader.iter_decoded_messages(log_time_order=False):
                stamp = message.header.stamp
                stamps.setdefault(channel.topic, []).append(stamp.sec * 10**9 + stamp.nanosec)
    # What the recorder itself says, if it has lived long enough to say it: nobody is sent a history of that.
    stamps.pop(topics.DIAGNOSTICS, None)
    everything = [step.observation.key.stamp_ns for step in robot.lived]
    assert stamps == {
        f"{graph.namespace}/observation": everything,
        f"{graph.namespace}/observation/camera": everything,
        f"{graph.namespace}/applied_action": everything,
    }


def test_what_is_recorded_is_what_was_published(graph, robot, start, recorded, tmp_path):
    start()
    robot.live()
    graph.until(lambda: recorded() == [0])
    assert graph.stop(RECORDER) == 0
    (step,) = StepReader(CONFIG.action_spec(), ["camera"]).read(bags(tmp_path))
    published = robot.lived[0]
    assert step.observation.values == published.observation.values
    assert step.observation.images["camera"].tobytes() == published.observation.images["camera"].tobytes()
    assert step.action.values.tolist() == published.action.values.tolist()


def test_a_full_file_is_finished_and_another_begun(graph, robot, start, recorded, tmp_path):
    start(max_file_mb=1)
    for number in range(19, 100, 20):  # 1.2 MB of pictures
        robot.live(20)
        graph.until(lambda number=number: recorded()[-1:] == [number])
    assert graph.stop(RECORDER) == 0
    assert len(bags(tmp_path)) == 2
    assert recorded() == list(range(100))


def test_a_full_disk_costs_steps_but_not_the_recorder(graph, robot, start, recorded):
    reports = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.EVENTS)
    start()
    robot.live()
    graph.until(lambda: recorded() == [0])
    recorder = graph.processes[RECORDER].pid
    unlimited = resource.prlimit(recorder, resource.RLIMIT_FSIZE)
    resource.prlimit(recorder, resource.RLIMIT_FSIZE, (0, unlimited[1]))
    robot.live()
    graph.until(lambda: any(status.level == DiagnosticStatus.ERROR for report in reports for status in report.status))
    resource.prlimit(recorder, resource.RLIMIT_FSIZE, unlimited)
    graph.every(0.1, robot.live)
    graph.until(lambda: recorded()[-1] > 1)
    assert graph.stop(RECORDER) == 0
    assert 1 not in recorded()
