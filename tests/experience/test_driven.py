"""Recordings tell who drove for how long and what stopped the robot, and which of them the replay still needs."""

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from robot_mbrl.errors import ConfigError, ExperienceError
from robot_mbrl.experience.cdr import Header, JointState, Time
from robot_mbrl.experience.definitions import DEFINITIONS, define
from robot_mbrl.experience.driven import CALENDAR_NS, SessionsReader
from robot_mbrl.experience.folder import own_sessions
from robot_mbrl.experience.keeping import (
    NO_CHECKPOINT,
    NOT_LEARNED,
    REPLAYED,
    UNREAD,
    WRITTEN,
    Keep,
    needed,
    superfluous,
)
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import SessionWriter, StepWriter
from robot_mbrl.specs import Source
from robot_mbrl.steps import Step
from tests.experience.lived import ACTION, OBSERVATION, STEP_NS, make_step

TEXT = define("std_msgs/msg/String", lambda _: {"data": "string"})


def driven_by(*sources: Source) -> list[Step]:
    """A life in which these drove, a step each, in two episodes."""
    half = len(sources) // 2
    steps = []
    for index, source in enumerate(sources):
        step = make_step(index, first=index in (0, half), last=index in (half - 1, len(sources) - 1))
        steps.append(replace(step, action=replace(step.action, source=source)))
    return steps


def recorded(folder: Path, steps: list[Step]) -> Path:
    with StepWriter(folder, ACTION, "/robot") as writer:
        for step in steps:
            writer.write(step)
    return own_sessions(folder)[-1]


def read(folder: Path) -> SessionsReader:
    reader = SessionsReader()
    reader.read(own_sessions(folder))
    return reader


def test_who_drove_is_told_in_steps_and_how_often_a_person_took_over(tmp_path: Path):
    policy, teleop, late = Source.POLICY, Source.TELEOP, Source.LATE
    recorded(tmp_path, driven_by(policy, policy, teleop, teleop, policy, late, teleop, policy))
    (driven,) = read(tmp_path).sessions.values()
    assert driven.sources == {"policy": 4, "teleop": 3, "late": 1}
    assert (driven.steps, driven.episodes, driven.takeovers) == (8, 2, 2)
    assert driven.minutes(0.5, teleop) == pytest.approx(3 * 0.5 / 60)
    assert driven.minutes(0.5) == pytest.approx(8 * 0.5 / 60)


def test_a_step_that_was_recorded_twice_counts_once(tmp_path: Path):
    steps = driven_by(*[Source.POLICY] * 6)
    recorded(tmp_path, steps[:4])
    recorded(tmp_path, steps[2:])
    (driven,) = read(tmp_path).sessions.values()
    assert (driven.steps, driven.sources) == (6, {"policy": 6})


def string(text: str) -> bytes:
    encoded = text.encode() + b"\x00"
    return b"\x00\x01\x00\x00" + len(encoded).to_bytes(4, "little") + encoded


def guard_counts(**counts: int) -> bytes:
    """A report of the guard's interventions as it is on the wire."""
    return guard_report({f"intervention.{name}": str(count) for name, count in counts.items()})


def guard_report(values: dict[str, str]) -> bytes:
    pairs = list(values.items())
    body = bytearray(b"\x00\x01\x00\x00" + bytes(8))

    def number(value: int) -> None:
        body.extend(bytes(-(len(body) - 4) % 4) + value.to_bytes(4, "little"))

    def words(text: str) -> None:
        number(len(text) + 1)
        body.extend(text.encode() + b"\x00")

    words("")
    number(1)
    body.append(0)
    for text in ("guard", "", ""):
        words(text)
    number(len(pairs))
    for key, value in pairs:
        words(key)
        words(value)
    return bytes(body)


def test_what_stopped_it_and_what_the_guard_did_is_counted_by_reason(tmp_path: Path):
    observation = JointState(Header(Time(1, 0), "a"), ["reward", "is_first"], array("d", [0.0, 1.0]))
    with SessionWriter(tmp_path / "1.mcap", {**DEFINITIONS, "std_msgs/msg/String": TEXT}) as writer:
        said = [
            "disabled",
            "moving",
            "stopped: late: no action came",
            "moving",
            "latched: joint_limit: joint 1",
            "moving",
        ]
        said += ["stopped: late: another", "stopped: late: another"]

        def state(text: str) -> None:
            writer.write("/robot/state", "std_msgs/msg/String", string(text), 1)

        state(said[0])
        writer.write("/robot/observation", "sensor_msgs/msg/JointState", observation.serialise(), 1)
        for text in said[1:]:
            state(text)
        for rate, limit in ((1, 0), (4, 0), (1, 2)):  # The guard is started anew before the last.
            report = guard_counts(rate=rate, joint_limit=limit)
            writer.write("/robot/guard", "diagnostic_msgs/msg/DiagnosticArray", report, 1)
    (driven,) = read(tmp_path).sessions.values()
    assert driven.stops == {"stopped: late": 2, "latched: joint_limit": 1}
    assert driven.guard == {"rate": 5, "joint_limit": 2}


@pytest.mark.parametrize(
    ("acting", "source", "unmarked"),
    [
        ("teleop", Source.POLICY, True),
        ("teleop", Source.TELEOP, False),
        ("policy", Source.POLICY, False),
    ],
)
def test_a_person_who_acted_and_of_whom_no_step_tells_is_found_out(
    tmp_path: Path, acting: str, source: Source, *, unmarked: bool
):
    recorded(tmp_path, driven_by(*[source] * 4))
    with SessionWriter(tmp_path / "z.mcap", DEFINITIONS) as writer:
        report = guard_report({"acting": acting, "takeover": "held"})
        writer.write("/robot/guard", "diagnostic_msgs/msg/DiagnosticArray", report, 1)
    reader = SessionsReader()
    reader.read(sorted(tmp_path.glob("*.mcap")))
    (driven,) = reader.sessions.values()
    assert driven.is_unmarked is unmarked


def saved(folder: Path, steps: list[Step], capacity: int = 100) -> Path:
    """A checkpoint that knows these steps."""
    replay = Replay(OBSERVATION, ACTION, capacity, step_ns=STEP_NS)
    for step in steps:
        replay.append(step)
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    replay.save(checkpoints / "replay-1.npz")
    (checkpoints / "checkpoint.json").write_text('{"replay": "replay-1.npz"}')
    return checkpoints


def test_recordings_stay_whose_steps_are_replayed_or_not_learned_yet(tmp_path: Path):
    life = [make_step(index) for index in range(50)]
    bags = tmp_path / "bags"
    paths = [recorded(bags, life[begin : begin + 10]) for begin in range(0, 50, 10)]
    checkpoints = saved(tmp_path, life[:35], capacity=12)  # It holds steps 23 to 34.
    stay = needed(read(bags).files, checkpoints)
    assert stay == {paths[2]: REPLAYED, paths[3]: NOT_LEARNED, paths[4]: WRITTEN}


def test_without_a_checkpoint_everything_stays_and_with_a_damaged_one_nothing_is_decided(tmp_path: Path):
    bags = tmp_path / "bags"
    paths = [recorded(bags, [make_step(index)]) for index in range(3)]
    stay = needed(read(bags).files, tmp_path / "checkpoints")
    assert stay == {paths[0]: NO_CHECKPOINT, paths[1]: NO_CHECKPOINT, paths[2]: WRITTEN}
    checkpoints = saved(tmp_path, [make_step(0)])
    for left in (b"torn", b""):
        (checkpoints / "replay-1.npz").write_bytes(left)
        with pytest.raises(ExperienceError, match="not a saved replay"):
            needed(read(bags).files, checkpoints)


def test_what_cannot_be_read_stays(tmp_path: Path):
    (tmp_path / "1.mcap").write_bytes(b"no recording at all")
    recorded(tmp_path, [make_step(0)])
    assert needed(read(tmp_path).files, saved(tmp_path, []))[tmp_path / "1.mcap"] == UNREAD


def dated(index: int) -> Step:
    """A step of a robot that lives by the calendar, since its year 2000."""
    step = make_step(index)
    seen = step.observation
    key = replace(seen.key, stamp_ns=seen.key.stamp_ns + CALENDAR_NS)
    return replace(step, observation=replace(seen, key=key), action=replace(step.action, key=key))


def test_the_oldest_go_first_until_so_much_is_left_or_nothing_older(tmp_path: Path):
    life = [dated(index) for index in range(40)]
    bags = tmp_path / "bags"
    paths = [recorded(bags, life[begin : begin + 10]) for begin in range(0, 40, 10)]
    files = read(bags).files
    size = paths[0].stat().st_size
    assert superfluous(files, {}, Keep(most_bytes=2 * size + size // 2)) == paths[:2]
    assert superfluous(files, {paths[0]: REPLAYED}, Keep(most_bytes=3 * size + size // 2)) == [paths[1]]
    # Steps are recorded at their stamps, a twentieth of a second apart.
    assert superfluous(files, {}, Keep(longest_s=1.0), now_s=CALENDAR_NS / 1e9 + 2.2) == paths[:2]
    assert superfluous(files, {}, Keep()) == []


def test_what_was_lived_in_simulated_time_is_as_old_as_its_file(tmp_path: Path):
    path = recorded(tmp_path, [make_step(index) for index in range(10)])
    files, written_s = read(tmp_path).files, path.stat().st_mtime
    assert superfluous(files, {}, Keep(longest_s=60.0), now_s=written_s + 50.0) == []
    assert superfluous(files, {}, Keep(longest_s=60.0), now_s=written_s + 70.0) == [path]


def test_sizes_and_ages_are_understood_and_others_refused():
    assert Keep.of(["20GB", "1.5d"]) == Keep(20 * 10**9, 1.5 * 86400)
    with pytest.raises(ConfigError, match="--keep lots"):
        Keep.of(["lots"])
