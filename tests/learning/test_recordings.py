"""Recordings are split into what is learned from and what is held out, and only what means the same is taken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError, ExperienceError
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.learning.recordings import HELD_OUT, HELD_OUT_OF, STRETCH_STEPS, Recorded, Split, read_recordings
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.steps import Step
from tests.learning.test_live import CONFIG, STEP_NS, make_step

EPISODE = 6


def episodes(count: int, config: RunConfig = CONFIG) -> list[Step]:
    """So many episodes of a few steps each."""
    steps = []
    for index in range(count * EPISODE):
        step, place = make_step(index, config), index % EPISODE
        seen = replace(step.observation, is_first=place == 0, is_last=place == EPISODE - 1)
        steps.append(replace(step, observation=seen))
    return steps


def record(folder: Path, steps: list[Step]) -> Path:
    with StepWriter(folder, CONFIG.action_spec(), "/cartpole") as writer:
        for step in steps:
            writer.write(step)
    return max(folder.glob("*.mcap"))


def read(*sources: Path, config: RunConfig = CONFIG) -> tuple[Recorded, Replay, Replay, list[str]]:
    """What was recorded, learned from, held out and said."""
    fit, held_out = (Replay(config.observation_spec(), config.action_spec(), 10_000, step_ns=STEP_NS) for _ in range(2))
    said: list[str] = []
    return read_recordings(sources, config, fit.append, held_out, said.append), fit, held_out, said


def held_out_of(steps: list[Step]) -> list[bool]:
    split = Split(STEP_NS)
    return [split.holds_out(step) for step in steps]


def test_the_fifth_of_ten_episodes_is_held_out_whole():
    split = held_out_of(episodes(2 * HELD_OUT_OF))
    expected = [index // EPISODE % HELD_OUT_OF == HELD_OUT for index in range(len(split))]
    assert split == expected


def test_episodes_that_never_end_are_split_into_stretches():
    steps = [make_step(index) for index in range(6 * STRETCH_STEPS)]
    assert sum(held_out_of(steps)) == STRETCH_STEPS


def test_a_gap_begins_another_stretch():
    steps = [make_step(index) for index in range(0, 100, 10)]
    assert held_out_of(steps) == [index == HELD_OUT for index in range(10)]


def test_every_step_is_learned_from_or_held_out_and_none_is_both(tmp_path: Path):
    path = record(tmp_path, episodes(10))
    recorded, fit, held_out, _ = read(path)
    assert (recorded.steps, recorded.held_out) == (9 * EPISODE, EPISODE)
    rows = [set(replay.read(np.arange(len(replay)))["stamp_ns"].tolist()) for replay in (fit, held_out)]
    assert len(rows[0] | rows[1]) == 10 * EPISODE
    assert not rows[0] & rows[1]


def test_a_run_a_bag_and_a_file_give_the_same(tmp_path: Path):
    folder = RunFolder.create(CONFIG, tmp_path / "run")
    path = record(folder.bags, episodes(5))
    assert read(folder.path)[0] == read(folder.bags)[0] == read(path)[0]


def test_the_same_source_given_twice_counts_once(tmp_path: Path):
    path = record(tmp_path, episodes(3))
    assert len(read(path, path)[1]) == len(read(path)[1])


def test_sources_are_not_written_to_also_where_they_were_not_finished(tmp_path: Path):
    path = record(tmp_path, episodes(3))
    path.write_bytes(path.read_bytes()[:-200])
    content, names = path.read_bytes(), {p.name for p in tmp_path.iterdir()}
    recorded, *_ = read(tmp_path)
    assert recorded.steps
    assert path.read_bytes() == content
    assert {p.name for p in tmp_path.iterdir()} == names


def test_a_run_whose_actions_meant_something_else_is_refused_by_name(tmp_path: Path):
    raw = CONFIG.robot.model_dump()
    raw["commands"][0]["joints"][0]["high"] *= 2.0
    other = CONFIG.model_copy(update={"robot": type(CONFIG.robot).model_validate(raw)})
    folder = RunFolder.create(other, tmp_path / "run")
    record(folder.bags, episodes(1))
    with pytest.raises(ConfigError, match=r"commands\.slider\.high was"):
        read(folder.path)


def test_a_run_that_observed_more_or_with_other_scales_is_taken(tmp_path: Path):
    folder = RunFolder.create(CONFIG, tmp_path / "run")
    record(folder.bags, episodes(5))
    blind = load_run("cartpole-positions")
    assert read(folder.path, config=blind)[0].steps == 4 * EPISODE


def test_what_is_not_there_or_holds_nothing_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="missing is not there"):
        read(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExperienceError, match="no MCAP files to learn from"):
        read(tmp_path / "empty")
    (tmp_path / "old.bag").touch()
    with pytest.raises(ExperienceError, match="convert it with"):
        read(tmp_path / "old.bag")
