"""YAML files are UTF-8 and give each field once; what is wrong is named with file, line and field."""

import re
from pathlib import Path

import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.strict_yaml import parse, read_mapping


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: a is given twice (first in line 1)"),
        ("guard:\n  damping: 1\n  damping: 1\n", "line 3: guard.damping is given twice (first in line 2)"),
        ("joints:\n- {name: a}\n- {name: b, low: 1, low: 2}\n", "line 3: joints.1.low is given twice"),
        ("a: &x {b: 1, b: 2}\nc: *x\n", "line 1: a.b is given twice"),
    ],
)
def test_field_given_twice_is_refused_with_file_line_and_field(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(f"{path}, {complaint}")):
        read_mapping(path)


def test_equal_names_in_different_places_are_different_fields(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("base: &base {a: 1}\none: {<<: *base, a: 2}\ntwo: {<<: *base}\n")
    assert read_mapping(path) == {"base": {"a": 1}, "one": {"a": 2}, "two": {"a": 1}}


def test_field_given_twice_in_a_task_its_robot_or_its_preset_is_refused(tmp_path: Path) -> None:
    preset = "family: dreamer\ntrain_ratio: 1\ntrain_ratio: 2\n"
    (tmp_path / "preset.yaml").write_text(preset)
    task = "name: mine\nrobot: cartpole\ntask: cartpole_swingup\nobserve: [positions]\nagent: preset.yaml\n"
    (tmp_path / "mine.yaml").write_text(task)
    with pytest.raises(ConfigError, match=r"preset\.yaml, line 3: train_ratio is given twice"):
        load_run(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text(task + "name: other\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml, line 6: name is given twice"):
        load_run(tmp_path / "mine.yaml")


def test_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_bytes("name: arm\ndescription: Gelenk für Tests\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=re.escape(f"{path}, line 2: byte 0xfc is not UTF-8")):
        read_mapping(path)


def test_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_bytes("\ufeffdescription: für\r\n".encode())
    assert read_mapping(path) == {"description": "für"}


@pytest.mark.parametrize("text", ["[" * 5000, "a: [1", "? [1, 2]\n: 3\n", "a: 0000-99-99\n", "--- 1\n--- 2\n"])
def test_what_is_no_yaml_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        read_mapping(path)


def test_values_of_the_command_line_are_as_strict() -> None:
    assert parse("{a: 1}", "task.overrides") == {"a": 1}
    with pytest.raises(ConfigError, match=r"task\.overrides, line 1: a is given twice"):
        parse("{a: 1, a: 2}", "task.overrides")
