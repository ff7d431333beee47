"""Of the nodes' logs, people see warnings, errors and last words, and each warning once in a while."""

from pathlib import Path

import pytest

from robot_mbrl.runs import logs
from robot_mbrl.runs.logs import Log


def write(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "sensor.log", "[WARN] [1.0] [arm.sensor]: of the run before")
    return tmp_path / "sensor.log"


def test_warnings_and_errors_are_shown_and_nothing_else(path: Path) -> None:
    log = Log(path)
    write(path, "[INFO] [2.0] [arm.sensor]: all is well", "[WARN] [2.1] [arm.sensor]: joints: für nichts")
    write(path, "Traceback", "[ERROR] [2.2] [arm.sensor]: refused", "[WARN] [2.3] [arm.actuator]: stopped: starting")
    assert list(log.news(0.0)) == ["joints: für nichts", "refused"]
    assert list(log.news(1.0)) == []


def test_line_that_is_still_being_written_waits(path: Path) -> None:
    log = Log(path)
    with path.open("a") as file:
        file.write("[WARN] [2.0] [arm.sensor]: half ")
    assert list(log.news(0.0)) == []
    write(path, "and half")
    assert list(log.news(1.0)) == ["half and half"]


def test_same_warning_with_other_figures_is_shown_again_after_a_minute_only(path: Path) -> None:
    log = Log(path)
    shown = []
    for second in range(0, 130, 5):
        write(path, f"[WARN] [{second}.0] [arm.sensor]: joints are {second} s old")
        shown += list(log.news(float(second)))
    assert shown == ["joints are 0 s old", "joints are 60 s old", "joints are 120 s old"]


def test_flood_of_warnings_is_shown_in_part(path: Path) -> None:
    log = Log(path)
    write(path, *(f"[WARN] [2.0] [arm.sensor]: {'x' * count}" for count in range(1, 40)))
    assert len(list(log.news(0.0))) == logs.BURST
    assert list(log.news(logs.PERIOD_S + 1.0)) == [f"{'x' * 39} (33 more before that)"]


def test_whole_log_of_a_console_is_for_people(path: Path) -> None:
    log = Log(path, whole=True)
    write(path, "robot: moving", "robot: disabled")
    assert list(log.news(0.0)) == ["robot: moving", "robot: disabled"]


def test_last_words_are_the_last_error_since_the_start_and_not_what_follows_it(path: Path) -> None:
    log = Log(path)
    log.begin()
    assert log.last_words() == "it said nothing"
    write(
        path, "Traceback", '  File "x.py", line 1', "experience.BagError: session1.mcap is a folder", "node destroyed"
    )
    assert log.last_words() == "experience.BagError: session1.mcap is a folder"
    assert log.last_words(2).endswith("session1.mcap is a folder | node destroyed")


def test_log_that_was_emptied_is_read_from_its_beginning(path: Path) -> None:
    log = Log(path)
    path.write_text("[WARN] [1.0] [a]: new\n")
    assert list(log.news(0.0)) == ["new"]
