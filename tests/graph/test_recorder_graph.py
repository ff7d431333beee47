"""The recorder over real DDS: killed at any moment it loses one step at most, and gets back what it missed."""

from collections.abc import Callable, Iterator

import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from robot_mbrl.config import load_run
from robot_mbrl.experience.reading import StepReader
from tests.graph.experience_bench import NodeProcess, RobotBench, bags

CONFIG = load_run("cartpole-image")


@pytest.fixture
def robot() -> Iterator[RobotBench]:
    bench = RobotBench(CONFIG)
    yield bench
    bench.close()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., NodeProcess]]:
    started: list[NodeProcess] = []

    def start_recorder(**parameters: int) -> NodeProcess:
        started.append(NodeProcess("recorder_node", config="cartpole-image", run_dir=tmp_path, **parameters))
        return started[-1]

    yield start_recorder
    for recorder in started:
        recorder.kill()


@pytest.fixture
def recorded(robot, tmp_path) -> Callable[[], list[int]]:
    """Tells the numbers of the whole steps in the files."""
    return lambda: robot.numbers(StepReader(CONFIG.action_spec(), ["camera"]).read(bags(tmp_path)))


def test_a_killed_recorder_loses_one_step_at_most_and_its_successor_records_what_was_missed(
    robot, start, recorded, tmp_path
):
    recorder = start()
    robot.until(lambda: robot.heard, "the recorder to listen")
    for number in range(40):
        robot.live()
        if number < 39:
            robot.until(lambda number=number: recorded()[-1:] == [number], f"step {number} in the file")
    recorder.kill()
    assert recorded() in (list(range(39)), list(range(40)))

    robot.live(10)
    successor = start()
    robot.until(lambda: recorded()[-1:] == [49], "the missed steps in the file")
    robot.live()
    robot.until(lambda: recorded()[-1:] == [50], "the next step in the file")
    assert successor.stop() == 0
    assert recorded() == list(range(51))

    stamps: dict[str, list[int]] = {}
    for path in bags(tmp_path):
        with path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            for _, channel, _, message in reader.iter_decoded_messages(log_time_order=False):
                stamp = message.header.stamp
                stamps.setdefault(channel.topic, []).append(stamp.sec * 10**9 + stamp.nanosec)
    everything = [step.observation.key.stamp_ns for step in robot.lived]
    assert stamps == {
        "/cartpole/observation": everything,
        "/cartpole/observation/camera": everything,
        "/cartpole/applied_action": everything,
    }


def test_what_is_recorded_is_what_was_published(robot, start, recorded, tmp_path):
    recorder = start()
    robot.until(lambda: robot.heard, "the recorder to listen")
    robot.live()
    robot.until(lambda: recorded() == [0], "the step in the file")
    recorder.stop()
    (step,) = StepReader(CONFIG.action_spec(), ["camera"]).read(bags(tmp_path))
    published = robot.lived[0]
    assert step.observation.values == published.observation.values
    assert step.observation.images["camera"].tobytes() == published.observation.images["camera"].tobytes()
    assert step.action.values.tolist() == published.action.values.tolist()


def test_a_full_file_is_finished_and_another_begun(robot, start, recorded, tmp_path):
    recorder = start(max_file_mb=1)
    robot.until(lambda: robot.heard, "the recorder to listen")
    for number in range(19, 100, 20):  # 1.2 MB of pictures
        robot.live(20)
        robot.until(lambda number=number: recorded()[-1:] == [number], f"step {number} in the file")
    assert recorder.stop() == 0
    assert len(bags(tmp_path)) == 2
    assert recorded() == list(range(100))
