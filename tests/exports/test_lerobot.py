"""A run becomes a LeRobot dataset that says what every number means, and holds every step that led somewhere."""

import json
import os
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.exports.episodes import MOST_STEPS, episodes_of, unbroken
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step, StepKey

pq = pytest.importorskip("pyarrow.parquet", reason="robot-mbrl[lerobot] is not installed")
av = pytest.importorskip("av", reason="robot-mbrl[lerobot] is not installed")
from robot_mbrl.exports.lerobot import export_lerobot  # noqa: E402
from robot_mbrl.exports.statistics import of_pictures  # noqa: E402

CONFIG = load_run("cartpole")
SEEING = load_run("cartpole-image")
STEP_NS = 50_000_000
EPISODE = 8
READER = os.environ.get("LEROBOT_PYTHON", "")
"""An interpreter that has LeRobot itself, where there is one."""


def life(episodes: int, config: RunConfig = CONFIG, session: str = "a") -> list[Step]:
    """Whole episodes whose every value says which step it belongs to."""
    steps = []
    for index in range(episodes * EPISODE):
        key, place = StepKey(session, (index + 1) * STEP_NS), index % EPISODE
        values = {name: float(index) for vector in config.robot.vectors.values() for name in vector.spec().names}
        images = {name: picture(index) for name in config.observation_spec().images}
        seen = Observation(key, values, images, reward=index / 10, is_first=place == 0, is_last=place == EPISODE - 1)
        source = Source.TELEOP if index % 2 else Source.POLICY
        steps.append(Step(seen, Action(key, np.array([index / 100], np.float32), source, 3)))
    return steps


def picture(index: int) -> np.ndarray:
    """A plain colour that tells the step."""
    return np.full((64, 64, 3), (10 * index) % 250, np.uint8)


def export(root: Path, steps: list[Step], config: RunConfig = CONFIG) -> tuple[dict, dict, list[dict]]:
    """The dataset's info, its columns, and its episodes."""
    export_lerobot(unbroken(steps, STEP_NS), config, root)
    info = json.loads((root / "meta" / "info.json").read_text())
    columns = pq.read_table(root / "data").to_pydict()
    episodes = pq.read_table(root / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    return info, columns, episodes


def test_every_step_that_led_somewhere_is_a_frame(tmp_path: Path):
    info, columns, episodes = export(tmp_path / "set", life(3))
    led = [index for index in range(3 * EPISODE) if index % EPISODE != EPISODE - 1]
    assert columns["action"] == pytest.approx([index / 100 for index in led])
    assert [row[0] for row in columns["observation.state"]] == led
    assert columns["next.reward"] == pytest.approx([(index + 1) / 10 for index in led])
    assert columns["next.done"] == [(index + 1) % EPISODE == EPISODE - 1 for index in led]
    assert columns["source"] == [3 * (index % 2) for index in led]
    assert columns["index"] == list(range(len(led)))
    assert columns["frame_index"] == 3 * list(range(EPISODE - 1))
    assert columns["timestamp"] == pytest.approx([frame / 20 for frame in columns["frame_index"]])
    assert (info["total_episodes"], info["total_frames"], info["fps"]) == (3, len(led), 20)
    assert [(e["dataset_from_index"], e["dataset_to_index"]) for e in episodes] == [(0, 7), (7, 14), (14, 21)]


def test_half_a_dataset_is_not_left_in_the_way(tmp_path: Path):
    def broken():
        yield life(1)
        raise OSError("the disk with the bags has gone")

    with pytest.raises(OSError, match="has gone"):
        export_lerobot(broken(), CONFIG, tmp_path / "set")
    export(tmp_path / "set", life(1))


def test_names_tell_what_each_number_is(tmp_path: Path):
    info, _, _ = export(tmp_path / "set", life(1))
    assert info["codebase_version"] == "v3.0"
    assert info["features"]["observation.state"]["names"] == list(CONFIG.observation_spec().element_names)
    assert info["features"]["action"]["names"] == ["slider"]
    assert info["robot_type"] == "cartpole"


def test_statistics_over_all_are_those_of_all_frames(tmp_path: Path):
    _, columns, _ = export(tmp_path / "set", life(3))
    told = json.loads((tmp_path / "set" / "meta" / "stats.json").read_text())
    for name in ("observation.state", "action", "next.reward"):
        values = np.array(columns[name], float).reshape(len(columns[name]), -1)
        for kind, expected in (
            ("min", values.min(0)),
            ("max", values.max(0)),
            ("mean", values.mean(0)),
            ("std", values.std(0)),
        ):
            np.testing.assert_allclose(told[name][kind], expected, rtol=1e-6, err_msg=f"{name} {kind}")


def test_statistics_of_pictures_are_of_each_colour_from_0_to_1():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), np.uint8)
    told, flat = of_pictures(pictures), pictures.reshape(-1, 3) / 255
    for kind, expected in (("min", flat.min(0)), ("max", flat.max(0)), ("mean", flat.mean(0)), ("std", flat.std(0))):
        np.testing.assert_allclose(told[kind], expected.reshape(3, 1, 1), atol=1e-9, err_msg=kind)


def test_pictures_are_found_where_the_episodes_say(tmp_path: Path):
    _, _, episodes = export(tmp_path / "set", life(2, SEEING), SEEING)
    with av.open(str(tmp_path / "set/videos/observation.images.camera/chunk-000/file-000.mp4")) as film:
        shades = {
            frame.pts * frame.time_base: frame.to_ndarray(format="rgb24").mean() for frame in film.decode(video=0)
        }
    assert len(shades) == 2 * (EPISODE - 1)
    for number, episode in enumerate(episodes):
        start = Fraction(episode["videos/observation.images.camera/from_timestamp"]).limit_denominator(1000)
        for frame in range(episode["length"]):
            expected = picture(number * EPISODE + frame).mean()
            assert shades[start + Fraction(frame, 20)] == pytest.approx(expected, abs=3)


def test_a_missing_step_parts_an_episode_and_interleaved_lives_stay_apart():
    one, other = life(1), life(1, session="b")
    del one[4]
    mixed = [step for pair in zip(one, other[: len(one)], strict=True) for step in pair] + other[len(one) :]
    found = [[s.observation.key for s in part] for part in unbroken(mixed, STEP_NS)]
    assert [[key.stamp_ns // STEP_NS for key in part] for part in found] == [
        [1, 2, 3, 4],
        [6, 7, 8],
        [1, 2, 3, 4, 5, 6, 7, 8],
    ]


def test_a_life_without_end_is_parted_without_losing_a_frame():
    step = life(1)[1]
    steps = [
        replace(step, observation=replace(step.observation, key=StepKey("a", (i + 1) * STEP_NS)))
        for i in range(2 * MOST_STEPS)
    ]
    assert sum(len(part) - 1 for part in unbroken(steps, STEP_NS)) == 2 * MOST_STEPS - 1


def test_what_a_run_recorded_is_exported(tmp_path: Path):
    folder = RunFolder.create(CONFIG, tmp_path / "run")
    with StepWriter(folder.bags, CONFIG.action_spec(), "/cartpole") as writer:
        for step in life(2):
            writer.write(step)
    assert [len(part) for part in episodes_of(CONFIG, folder)] == [EPISODE, EPISODE]


@pytest.mark.skipif(not READER, reason="LEROBOT_PYTHON names no interpreter that has LeRobot")
def test_lerobot_itself_reads_it(tmp_path: Path):
    export(tmp_path / "set", life(2, SEEING), SEEING)
    code = """
from lerobot.datasets.lerobot_dataset import LeRobotDataset
data = LeRobotDataset("someone/cartpole", root=sys.argv[1], video_backend="pyav")
assert (len(data), data.num_episodes, data.fps) == (14, 2, 20), (len(data), data.num_episodes, data.fps)
for index in range(len(data)):
    frame = data[index]
    step = index + index // 7
    assert abs(float(frame["action"]) - step / 100) < 1e-6
    assert abs(float(frame["observation.images.camera"].mean()) * 255 - 10 * step % 250) < 3
    assert frame["task"].startswith("Swing the pole up")
"""
    done = subprocess.run([READER, "-c", code, str(tmp_path / "set")], capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr[-2000:]
