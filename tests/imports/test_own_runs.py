"""Our own runs are imported as they were collected, and judged anew where another task judged them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.folder import own_sessions
from robot_mbrl.experience.message_files import read_messages
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.imports.importing import import_bags
from robot_mbrl.labels import Labels, LateLabels
from robot_mbrl.learning.verdicts import merge
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step, StepKey
from tests.imports.bags import STORE

CONFIG = load_run("cartpole")
STEP_NS = 50_000_000
EPISODE = 10


def lived(count: int = 3 * EPISODE, step_ns: int = STEP_NS) -> list[Step]:
    """Episodes of a cart-pole that hangs, with a reward that no task of ours would give."""
    steps = []
    for index in range(count):
        key, place = StepKey("a", (index + 1) * step_ns), index % EPISODE
        values = {"cart_position": 0.1 * place, "pole_cos": -1.0, "pole_sin": 0.0}
        values |= {"cart_velocity": 0.0, "pole_velocity": 0.0}
        seen = Observation(key, values, {}, reward=7.0, is_first=place == 0, is_last=place == EPISODE - 1)
        steps.append(Step(seen, Action(key, np.array([0.1 * place], np.float32), Source.POLICY, 3)))
    return steps


def recorded(path: Path, steps: list[Step], config: RunConfig = CONFIG) -> RunFolder:
    folder = RunFolder.create(config, path)
    with StepWriter(folder.bags, config.action_spec(), "/cartpole") as writer:
        for step in steps:
            writer.write(step)
    return folder


def replayed(folder: RunFolder, config: RunConfig = CONFIG) -> Replay:
    """What a learner of the run has at its next start."""
    replay = Replay(config.observation_spec(), config.action_spec(), 1000, step_ns=STEP_NS)
    assert not fill_replay(replay, folder.bags).unread
    return replay


def test_a_run_of_the_same_task_keeps_sessions_sources_versions_and_rewards(tmp_path: Path):
    source, target = recorded(tmp_path / "source", lived()), RunFolder.create(CONFIG, tmp_path / "target")
    report = import_bags([source.path], CONFIG, target)
    assert (report.steps, report.episodes, dict(report.dropped)) == (3 * EPISODE, 3, {})
    ours, theirs = (replay.read(np.arange(len(replay))) for replay in (replayed(target), replayed(source)))
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_verdicts_that_came_late_are_imported_too(tmp_path: Path):
    source, target = recorded(tmp_path / "source", lived()), RunFolder.create(CONFIG, tmp_path / "target")
    late = LateLabels(StepKey("a", 3 * STEP_NS), Labels(2.0, failure=True))
    with StepWriter(source.bags, CONFIG.action_spec(), "/cartpole") as writer:
        writer.write_labels(late)
    import_bags([source.path], CONFIG, target)
    replay = replayed(target)
    fill_replay(replay, target.bags, label=lambda each: merge([replay], each, only_reward=False))
    assert (replay.rows["reward"][2], replay.rows["is_terminal"][2]) == (9.0, 1.0)


def test_a_bag_alone_is_judged_anew(tmp_path: Path):
    source, target = recorded(tmp_path / "source", lived()), RunFolder.create(CONFIG, tmp_path / "target")
    report = import_bags([source.bags], CONFIG, target)
    assert (report.steps, report.episodes) == (3 * EPISODE, 3)
    assert set(replayed(target).rows["reward"]) == {0.0}  # A pole that hangs is worth nothing.
    assert any("judged anew" in note for note in report.bags[0].notes)


def test_our_topics_as_others_record_them_are_read_too(tmp_path: Path):
    source, target = recorded(tmp_path / "source", lived()), RunFolder.create(CONFIG, tmp_path / "target")
    (path,) = own_sessions(source.bags)
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {}
        for message in read_messages(path):
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(message.topic, message.type_name, typestore=STORE)
            writer.write(connections[message.topic], message.log_time_ns, message.data)
    report = import_bags([tmp_path / "bag"], CONFIG, target)
    assert (report.steps, report.episodes, report.bags[0].kind) == (3 * EPISODE, 3, "steps")


def test_what_was_imported_is_taken_up_beside_what_the_run_collected(tmp_path: Path):
    source = recorded(tmp_path / "source", lived())
    own = [
        replace(s, observation=replace(s.observation, key=_of("b", s)), action=replace(s.action, key=_of("b", s)))
        for s in lived()
    ]
    target = recorded(tmp_path / "target", own)
    import_bags([source.path], CONFIG, target)
    assert sorted(replayed(target).sessions) == ["a", "b"]


def _of(session: str, step: Step) -> StepKey:
    return StepKey(session, step.observation.key.stamp_ns)


def test_another_rate_is_refused_with_both(tmp_path: Path):
    source, target = recorded(tmp_path / "source", lived(step_ns=2 * STEP_NS)), RunFolder.create(CONFIG, tmp_path / "t")
    report = import_bags([source.bags], CONFIG, target)
    assert report.bags[0].refused == "its steps come at 10 Hz, and this run's at 20 Hz"


def test_a_run_whose_numbers_mean_something_else_and_the_run_itself_are_refused(tmp_path: Path):
    raw = CONFIG.robot.model_dump()
    raw["commands"][0]["joints"][0]["high"] *= 2.0
    other = CONFIG.model_copy(update={"robot": type(CONFIG.robot).model_validate(raw)})
    source, target = recorded(tmp_path / "source", lived(), other), RunFolder.create(CONFIG, tmp_path / "target")
    with pytest.raises(ConfigError, match=r"commands\.slider\.high was"):
        import_bags([source.path], CONFIG, target)
    with pytest.raises(ConfigError, match="cannot be imported into itself"):
        import_bags([target.path], CONFIG, target)


def test_a_recording_that_lacks_what_is_observed_is_refused_by_name(tmp_path: Path):
    steps = lived()
    for step in steps:
        del step.observation.values["pole_velocity"]
    source, target = recorded(tmp_path / "source", steps), RunFolder.create(CONFIG, tmp_path / "target")
    assert import_bags([source.bags], CONFIG, target).bags[0].refused == "its observations lack pole_velocity"
