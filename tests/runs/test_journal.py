"""A run's journal tells what was done to it, with which settings, and how that ended; whoever asked is notified."""

import argparse
import json
from pathlib import Path

import pytest

from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.journal import DONE, INTERRUPTED, UNKNOWN, noted, read_journal
from robot_mbrl.runs.record import RunRecord


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def options(**given) -> argparse.Namespace:
    defaults = {"minutes": None, "resume": False, "overrides": [], "run": print, "notify": None}
    return argparse.Namespace(**defaults | given)


def notified(folder: RunFolder) -> list[list[str]]:
    """What the command was told, in order: each event and message."""
    path = folder.path / "told.txt"
    return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []


TELL = 'echo "$ROBOT_MBRL_EVENT|$ROBOT_MBRL_MESSAGE" >> "$ROBOT_MBRL_RUN/told.txt"'


def test_what_was_done_stands_with_its_settings_and_its_end(folder: RunFolder):
    with noted(folder, "demo", options(minutes=3.0, folder=Path("x"))) as act:
        act.ended = INTERRUPTED
    with noted(folder, "import", options()):
        pass
    demo, other = read_journal(folder.journal)
    assert (demo.what, demo.how, demo.settings) == ("demo", INTERRUPTED, {"minutes": 3.0, "folder": "x"})
    assert demo.began <= str(demo.ended) <= other.began
    assert (other.what, other.how, other.settings) == ("import", DONE, {})


def test_an_error_is_the_end_of_it_and_goes_on(folder: RunFolder):
    with pytest.raises(ValueError, match="no learner"), noted(folder, "robot", options()):
        raise ValueError("no learner\nat all")
    assert read_journal(folder.journal)[0].how == "failed: no learner at all"


def test_of_what_was_killed_the_beginning_is_known_and_torn_lines_are_passed_over(folder: RunFolder):
    with noted(folder, "robot", options()):
        killed = folder.journal.read_text()
    folder.journal.write_text(killed + '{"id": "ab", "what": "dem\n{"id": "cd", "ended": "now"}\n[]\n')
    (entry,) = read_journal(folder.journal)
    assert (entry.what, entry.ended, entry.how) == ("robot", None, UNKNOWN)


WITHOUT_SETTINGS = b'{"id": "cd", "what": "demo", "began": "now", "settings": "torn"}\n'


def test_what_a_disk_has_damaged_costs_only_the_lines_it_is_in(folder: RunFolder):
    with noted(folder, "robot", options()):
        pass
    whole = folder.journal.read_bytes()
    folder.journal.write_bytes(b'{"id": "ab", "what": "de\xb9\xff"}\n' + WITHOUT_SETTINGS + whole)
    (entry,) = read_journal(folder.journal)
    assert (entry.what, entry.how) == ("robot", DONE)


def test_a_run_without_a_journal_has_an_empty_one(folder: RunFolder):
    assert read_journal(folder.journal) == []


def record(solved: int, mode: str = "evaluate") -> RunRecord:
    found = RunRecord()
    found.take({"kind": "episode", "mode": mode, "solved": True, "robot_steps": 100 + i} for i in range(solved))
    return found


def test_whoever_asked_is_told_once_that_it_learned_and_that_it_stopped(folder: RunFolder):
    with noted(folder, "workstation", options(notify=TELL)) as act:
        for known in (record(0), record(3, "explore"), record(1), record(2)):
            act.follow(known, ())
            _wait()
    _wait()
    assert notified(folder) == [
        ["learned", "solved an evaluated episode after 100 steps"],
        ["stopped", "workstation ended: done"],
    ]


def test_what_was_solved_before_is_no_news(folder: RunFolder):
    with noted(folder, "workstation", options(notify=TELL)) as act:
        act.follow(record(4), ())
        act.follow(record(4), ())
    _wait()
    assert [event for event, _ in notified(folder)] == ["stopped"]


def test_a_node_that_keeps_dying_is_told_once_until_it_is_well_again(folder: RunFolder):
    with pytest.raises(RuntimeError), noted(folder, "robot", options(notify=TELL)) as act:
        for failing in (["policy"], ["policy"], [], ["policy"]):
            act.follow(None, failing)
            _wait()
        raise RuntimeError("given up")
    _wait()
    assert notified(folder) == [
        ["broke", "the policy node dies again and again"],
        ["broke", "the policy node dies again and again"],
        ["broke", "robot failed: given up"],
    ]


def test_a_robot_that_needs_a_person_is_told_of(folder: RunFolder):
    with noted(folder, "robot", options(notify=TELL)) as act:
        for line in (
            "robot: disabled",
            "robot: moving",
            "robot: stopped: late",
            "robot: latched: joint_limit: joint shoulder is at 2.9",
            "robot: disabled: for longer than 1 s: joints are stale",
        ):
            act.hear(line)
            _wait()
    _wait()
    assert notified(folder) == [
        ["stopped", "latched: joint_limit: joint shoulder is at 2.9"],
        ["stopped", "disabled: for longer than 1 s: joints are stale"],
        ["stopped", "robot ended: done"],
    ]


def test_what_the_command_prints_is_in_the_logs_and_never_in_the_way(folder: RunFolder):
    with noted(folder, "robot", options(notify="echo no mail here; exit 3")):
        pass
    _wait()
    assert (folder.logs / "notify.log").read_text() == "no mail here\n"
    assert json.loads(folder.journal.read_text().splitlines()[-1])["how"] == DONE


def test_a_command_that_cannot_be_run_is_told_and_ends_no_run(folder: RunFolder, capsys: pytest.CaptureFixture[str]):
    folder.logs.write_text("a file where logs should go")
    with noted(folder, "robot", options(notify=TELL)):
        pass
    told = capsys.readouterr().err
    assert "--notify could not be run" in told and "robot ended" in told
    assert json.loads(folder.journal.read_text().splitlines()[-1])["how"] == DONE


def _wait() -> None:
    """Until the commands have ended."""
    import threading

    for thread in threading.enumerate():
        if thread.name == "notify":
            thread.join()
