"""Bags in the styles that people publish are read, or refused with the reason; nothing is written to any of them."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.message_files import Survey
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.imports.importing import import_bags
from robot_mbrl.imports.report import BagReport
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.specs import Source
from robot_mbrl.steps import Step
from tests.imports.bags import (
    CAMERA,
    COMMANDS,
    HIGHEST_N,
    JOINTS,
    SECOND,
    actions,
    drive,
    film,
    renamed,
    shade,
    shifted,
    write,
)

CONFIG = load_run("cartpole")
STEPS = 40


def imported(
    tmp_path: Path, *bags: Path, config: RunConfig = CONFIG, told: dict[str, str] | None = None
) -> tuple[list[Step], BagReport]:
    """The steps that a run has of bags, and what was told of the first of them."""
    path = tmp_path / "run"
    folder = RunFolder(path) if path.exists() else RunFolder.create(config, path)
    before = {p: p.read_bytes() for bag in bags for p in bag.rglob("*") if p.is_file()}
    report = import_bags(bags, config, folder, told=told)
    assert {p: p.read_bytes() for bag in bags for p in bag.rglob("*") if p.is_file()} == before
    written = [bag.written for bag in report.bags if bag.written is not None]
    reader = StepReader(config.action_spec(), tuple(config.observation_spec().images))
    steps = [step for file in written for step in reader.read_file(file, Survey())] + list(reader.finish())
    assert len(steps) == report.steps
    return steps, report.bags[0]


def refusal(tmp_path: Path, bag: Path, **more) -> str:
    steps, report = imported(tmp_path, bag, **more)
    assert not steps
    return report.refused


def assert_whole(steps: list[Step]) -> None:
    """All that the controller did is there, in one episode."""
    np.testing.assert_allclose([s.action.values[0] for s in steps[:-1]], actions(STEPS), atol=1e-6)
    assert [s.observation.is_first for s in steps] == [True] + [False] * STEPS
    assert [s.observation.is_last for s in steps] == [False] * STEPS + [True]
    assert {s.action.source for s in steps} == {Source.TELEOP}
    apart_ns = np.diff([s.observation.key.stamp_ns for s in steps])
    np.testing.assert_array_equal(apart_ns, round(0.05 * SECOND))


def humble(folder: Path) -> Path:
    """A bag without definitions, as ROS 2 Humble writes them."""
    write(folder, drive(STEPS), storage=StoragePlugin.SQLITE3)
    with sqlite3.connect(folder / f"{folder.name}.db3") as database:
        database.execute("DROP TABLE message_definitions")
    return folder


STYLES = {
    "MCAP": lambda folder: write(folder, drive(STEPS)),
    "SQLite": lambda folder: write(folder, drive(STEPS), storage=StoragePlugin.SQLITE3),
    "SQLite without definitions": humble,
    "SQLite packed as a whole": lambda folder: write(
        folder, drive(STEPS), storage=StoragePlugin.SQLITE3, packed=CompressionMode.FILE
    ),
    "MCAP packed as a whole": lambda folder: write(folder, drive(STEPS), packed=CompressionMode.FILE),
    "SQLite with packed messages": lambda folder: write(
        folder, drive(STEPS), storage=StoragePlugin.SQLITE3, packed=CompressionMode.MESSAGE
    ),
    "MCAP with packed messages": lambda folder: write(folder, drive(STEPS), packed=CompressionMode.MESSAGE),
    "simulated time": lambda folder: write(folder, shifted(drive(STEPS), stamped_s=-1_699_999_999.5)),
    "empty stamps": lambda folder: write(folder, [replace(each, stamped_ns=0) for each in drive(STEPS)]),
    "more joints, in another order": lambda folder: write(folder, drive(STEPS, ("lamp", "hinge", "slider"))),
    "another namespace": lambda folder: write(
        folder, renamed(drive(STEPS), {JOINTS: "/left/joint_states", COMMANDS: "/left/effort_controller/commands"})
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_what_was_done(tmp_path: Path, style: str):
    steps, report = imported(tmp_path, STYLES[style](tmp_path / "bag"))
    assert_whole(steps)
    assert report.episodes == 1
    assert not +report.dropped


def test_it_is_judged_by_the_task_and_owed_nothing_but_kept_beside_the_own_recordings(tmp_path: Path):
    steps, report = imported(tmp_path, STYLES["MCAP"](tmp_path / "bag"))
    assert steps[0].observation.reward == 0.0
    upright = [(1 + s.observation.values["pole_cos"]) / 2 for s in steps[1:]]
    assert all(0.0 <= s.observation.reward <= up + 1e-9 for s, up in zip(steps[1:], upright, strict=True))
    assert report.written is not None
    assert report.written.parent == tmp_path / "run" / "bags" / "imports"


def parts(folder: Path, count: int = 3) -> Path:
    """A bag of several files, numbered from 9 on, whose metadata list them the wrong way round."""
    said = drive(STEPS)
    size = len(said) // count + 1
    folder.mkdir()
    for number in range(count):
        one = write(folder.parent / f"part{number}", said[number * size : (number + 1) * size])
        shutil.move(one / f"part{number}.mcap", folder / f"bag_{number + 9}.mcap")
    names = "".join(f"\n    - bag_{number + 9}.mcap" for number in reversed(range(count)))
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  relative_file_paths:{names}\n")
    return folder


def test_the_parts_of_a_split_bag_are_used_once_and_in_their_order_of_time(tmp_path: Path):
    folder = parts(tmp_path / "bag")
    shutil.copy(folder / "bag_10.mcap", folder / "bag_10_copy.mcap")
    steps, report = imported(tmp_path, folder)
    assert_whole(steps)
    assert any("once more, and is left out" in note for note in report.notes)


def test_a_missing_part_is_named_and_what_is_there_is_used(tmp_path: Path):
    folder = parts(tmp_path / "bag")
    (folder / "bag_10.mcap").unlink()
    steps, report = imported(tmp_path, folder)
    assert report.episodes == 2
    assert "bag_10.mcap is missing, and what it held" in report.notes
    # A third of two seconds is not there, of which readings count for a fifth of a second more.
    assert 30 <= len(steps) <= 33
    assert report.dropped["joints is stale"] >= 8


def test_a_file_that_was_cut_off_gives_what_it_holds(tmp_path: Path):
    bag = STYLES["MCAP"](tmp_path / "bag")
    path = bag / "bag.mcap"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    steps, _ = imported(tmp_path, path)
    np.testing.assert_allclose([s.action.values[0] for s in steps[:-1]], actions(STEPS)[: len(steps) - 1], atol=1e-6)
    assert len(steps) > STEPS // 3


def test_what_sqlite_had_not_written_into_its_file_yet_is_read_from_beside_it(tmp_path: Path):
    bag = STYLES["SQLite"](tmp_path / "bag")
    path, torn = bag / "bag.db3", tmp_path / "torn"
    torn.mkdir()
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("UPDATE topics SET offered_qos_profiles = 'none'")
    database.execute("INSERT INTO messages SELECT id + 100000, topic_id, timestamp + 1000000000000, data FROM messages")
    database.commit()
    for name in ("bag.db3", "bag.db3-wal"):
        shutil.copy(bag / name, torn / name)
    database.close()
    _, report = imported(tmp_path, torn)
    assert report.episodes == 2


def test_a_pause_of_a_sensor_parts_two_episodes(tmp_path: Path):
    said = [each for each in drive(STEPS) if not (each.topic == JOINTS and 0.6 < _since_s(each) < 1.4)]
    steps, report = imported(tmp_path, write(tmp_path / "bag", said))
    assert report.episodes == 2
    assert report.dropped == {"joints is stale": 12}
    assert len(steps) == STEPS + 1 - 12
    assert report.topics["joints"]["longest_gap_s"] == pytest.approx(0.8)


def test_what_was_done_before_the_first_command_and_after_the_last_is_dropped(tmp_path: Path):
    said = [each for each in drive(STEPS) if not (each.topic == COMMANDS and not 0.5 <= _since_s(each) < 1.2)]
    steps, report = imported(tmp_path, write(tmp_path / "bag", said))
    # The driver brakes 0.25 s after the last command.
    assert report.dropped["no command"] == pytest.approx(10 + 10, abs=2)
    np.testing.assert_allclose([s.action.values[0] for s in steps[:13]], actions(STEPS)[10:23], atol=1e-6)


def test_a_clock_that_is_set_back_begins_another_session_and_times_never_run_backwards(tmp_path: Path):
    said = drive(STEPS)
    half = len(said) // 2
    steps, report = imported(tmp_path, write(tmp_path / "bag", said[:half] + _set_back(said[half:])))
    sessions = [step.observation.key.session for step in steps]
    assert len(set(sessions)) == 2
    for session in set(sessions):
        stamps = [s.observation.key.stamp_ns for s in steps if s.observation.key.session == session]
        assert (np.diff(stamps) > 0).all()
    assert any("a clock jumps" in note for note in report.notes)


def test_what_is_latched_is_said_once_and_counts_for_all_parts_and_clocks(tmp_path: Path):
    raw = CONFIG.model_dump(mode="json")
    raw["robot"]["sources"]["table"] = {"topic": "table", "type": "sensor_msgs/msg/JointState", "max_age_s": None}
    raw["robot"]["sources"]["table"]["latched"] = True
    height = {"name": "table_height", "field": "position", "joint": "slider", "unit": "m"}
    raw["robot"]["vectors"]["table"] = {"source": "table", "elements": [height]}
    config = RunConfig.model_validate(raw)
    said = drive(STEPS)
    half = len(said) // 2
    once = renamed(said[:1], {JOINTS: "/cartpole/table"})
    steps, report = imported(
        tmp_path, write(tmp_path / "bag", once + said[:half] + _set_back(said[half:])), config=config
    )
    assert report.episodes == 2
    assert {step.observation.values["table_height"] for step in steps} == {0.0}


def test_commands_from_before_a_clock_was_set_back_are_not_in_force_after(tmp_path: Path):
    said = drive(STEPS)
    half = len(said) // 2
    after = [each for each in _set_back(said[half:]) if each.topic != COMMANDS]
    steps, report = imported(tmp_path, write(tmp_path / "bag", said[:half] + after))
    assert {step.observation.key.session[-2:] for step in steps} == {"-0"}
    assert report.dropped["no command"] == pytest.approx(STEPS // 2, abs=2)


def _set_back(said):
    return [
        replace(each, logged_ns=each.logged_ns - 3600 * SECOND, stamped_ns=max(0, each.stamped_ns - 3600 * SECOND))
        for each in said
    ]


def test_readings_that_arrive_late_are_put_where_their_stamps_say(tmp_path: Path):
    late = [
        replace(each, logged_ns=each.logged_ns + SECOND // 10) if each.topic == JOINTS else each
        for each in drive(STEPS)
    ]
    steps, report = imported(tmp_path, write(tmp_path / "bag", sorted(late, key=lambda each: each.logged_ns)))
    assert report.axis == "the stamps of the messages"
    assert report.topics["joints"]["offset_s"] == pytest.approx(0.1)
    assert len(steps) > 30


def test_what_may_be_apart_by_more_than_half_a_step_is_told(tmp_path: Path):
    """The joints come 0.1 s late, and the commands, which have no stamps, are put as much earlier."""
    _, report = imported(tmp_path, write(tmp_path / "well", drive(STEPS)))
    assert not any("half a step" in note for note in report.notes)
    late = [
        replace(each, logged_ns=each.logged_ns + SECOND // 10) if each.topic == JOINTS else each
        for each in drive(STEPS)
    ]
    bag = write(tmp_path / "late", sorted(late, key=lambda each: each.logged_ns))
    _, report = imported(tmp_path, bag)
    assert any(
        "effort_controller/commands has no stamps and is put 0.100 s before it arrived" in note for note in report.notes
    )


def test_two_computers_whose_clocks_are_apart_are_told_of(tmp_path: Path):
    """As if the computer of the camera were 0.3 s behind."""
    apart = [
        replace(each, stamped_ns=each.logged_ns - 3 * SECOND // 10) if each.topic == CAMERA else each
        for each in film(drive(STEPS))
    ]
    _, report = imported(tmp_path, write(tmp_path / "bag", apart), config=load_run("cartpole-image"))
    (note,) = [note for note in report.notes if "another computer's clock" in note]
    assert note.startswith("camera arrives 0.300 s later after its stamp than joints, more than half a step")


def test_stamps_that_stand_still_are_no_readings(tmp_path: Path):
    said = [replace(each, stamped_ns=7 if each.topic == JOINTS else 0) for each in drive(STEPS)]
    _, report = imported(tmp_path, write(tmp_path / "bag", said))
    assert report.axis == "when the recorder received the messages"
    # The first of them is one, and counts for a fifth of a second.
    assert report.steps <= 5
    assert "its stamp stands still" in str(report.dropped)


def test_an_unknown_topic_is_refused_with_what_may_be_meant_and_taken_once_told(tmp_path: Path):
    said = renamed(drive(STEPS), {COMMANDS: "/forces"}) + renamed(drive(STEPS)[1:2], {COMMANDS: "/winds"})
    bag = write(tmp_path / "bag", said)
    reason = refusal(tmp_path, bag)
    assert "/forces, /winds may be meant" in reason
    assert "--topic effort_controller/commands=/TOPIC" in reason
    with pytest.raises(ConfigError, match="not in the bag"):
        imported(tmp_path, bag, told={"effort_controller/commands": "/waves"})
    steps, _ = imported(tmp_path, bag, told={"effort_controller/commands": "/forces"})
    assert_whole(steps)


def test_a_bag_without_commands_is_refused(tmp_path: Path):
    said = [each for each in drive(STEPS) if each.topic == JOINTS]
    assert "effort_controller/commands: nothing on /cartpole/effort_controller/commands" in refusal(
        tmp_path, write(tmp_path / "bag", said)
    )


def test_a_missing_joint_is_refused_by_name(tmp_path: Path):
    reason = refusal(tmp_path, write(tmp_path / "bag", drive(STEPS, ("slider", "wheel"))))
    assert "has no joint hinge; it has slider, wheel" in reason


def test_a_bag_of_ros_1_is_refused_with_the_remedy(tmp_path: Path):
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    assert "convert it with `rosbags-convert`" in refusal(tmp_path, tmp_path / "old.bag")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bag.db3", b"hello" * 1000, "is no bag in SQLite"),
        ("bag.mcap", b"hello" * 1000, "is not an MCAP file"),
        ("notes.txt", b"hi\n", "is not an MCAP file"),
        ("bag.mcap", b"", "there is no message in it"),
    ],
    ids=["SQLite", "MCAP", "shorter than any bag begins", "empty"],
)
def test_what_is_no_bag_at_all_is_refused(tmp_path: Path, name: str, content: bytes, says: str):
    (tmp_path / name).write_bytes(content)
    assert says in refusal(tmp_path, tmp_path / name)


def test_commands_beyond_the_range_are_counted(tmp_path: Path):
    steps, report = imported(tmp_path, write(tmp_path / "bag", drive(STEPS, scale_n=2 * HIGHEST_N)))
    beyond = float((np.abs(actions(STEPS)) > 0.5).mean())
    assert report.actions["slider"]["outside"] == pytest.approx(beyond, abs=1e-3)
    assert any("beyond [-10, 10] N" in note for note in report.notes)
    assert max(abs(s.action.values[0]) for s in steps) == 1.0


def test_whether_the_robot_follows_the_actions_is_told(tmp_path: Path):
    _, report = imported(tmp_path, write(tmp_path / "bag", drive(200)))
    follows = report.actions["slider"]["follows"]
    assert "velocity" in follows["value"]
    assert abs(follows["correlation"]) > 0.9


@pytest.mark.parametrize("compressed", [False, True])
def test_pictures_are_what_the_policy_would_have_seen(tmp_path: Path, compressed: bool):
    bag = write(tmp_path / "bag", film(drive(STEPS), compressed=compressed))
    steps, report = imported(tmp_path, bag, config=load_run("cartpole-image"))
    assert len(steps) == STEPS + 1
    assert report.topics["camera"]["rate_hz"] == 20
    for index, step in enumerate(steps):
        seen = step.observation.images["camera"]
        assert seen.shape == (64, 64, 3)
        assert (seen == shade(5 * index)).all()


def test_the_same_bag_is_not_imported_twice(tmp_path: Path):
    bag = STYLES["MCAP"](tmp_path / "bag")
    imported(tmp_path, bag)
    shutil.copytree(bag, tmp_path / "copy")
    assert "it was imported before" in refusal(tmp_path, tmp_path / "copy")


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path):
    bag = STYLES["MCAP"](tmp_path / "bag")
    folder = RunFolder.create(CONFIG, tmp_path / "run")
    dry = import_bags([bag], CONFIG, folder, dry_run=True)
    assert not list(folder.bags.iterdir())
    wet = import_bags([bag], CONFIG, folder)
    assert dry.as_json()["bags"][0] | {"written": None} == wet.as_json()["bags"][0] | {"written": None}
    assert (dry.steps, dry.episodes, dict(dry.dropped)) == (wet.steps, wet.episodes, dict(wet.dropped))


def _since_s(each) -> float:
    return (each.logged_ns - drive(1)[0].logged_ns) / SECOND
