"""A policy's numbers mean the same to those who made it and those who use it, or they are told what differs."""

import json

import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.errors import BundleError
from robot_mbrl.fingerprint import Fingerprint
from tests.bundles import change_metadata, make_bundle

CONFIG = load_run("cartpole")
SEEING = load_run("cartpole-image")
REACHER = load_run("reacher")


def changed(config: RunConfig, **paths: object) -> RunConfig:
    """The run with values of its robot or task replaced; `__` stands for a level, a number for a place in a list."""
    raw = config.model_dump(mode="json")
    for path, value in paths.items():
        *parents, leaf = path.split("__")
        node = raw
        for parent in parents:
            node = node[int(parent) if parent.isdigit() else parent]
        node[leaf] = value
    return RunConfig.model_validate(raw)


def differences(config: RunConfig, **paths: object) -> list[str]:
    return Fingerprint.of(config).differences(Fingerprint.of(changed(config, **paths)))


MEANT = {
    "limits ten times as wide": ({"robot__commands__0__joints__0__high": 100.0}, "commands.slider.high"),
    "another rate of control": ({"robot__control_rate_hz": 19.0}, "control_rate_hz"),
    "another repeat": ({"task__action_repeat": 2}, "action_repeat"),
    "another transform": ({"robot__vectors__positions__elements__1__transform": "none"}, ".pole_cos.transform"),
    "another field": ({"robot__vectors__positions__elements__0__field": "velocity"}, ".cart_position.field"),
    "another joint": ({"robot__vectors__positions__elements__0__joint": "hinge"}, ".cart_position.joint"),
    "another change over time": (
        {"robot__vectors__positions__elements__0__difference_s": 0.1},
        ".cart_position.difference_s",
    ),
    "another filter": ({"robot__commands__0__filter": {"cutoff_hz": 1.5}}, "commands.slider.filter"),
    "a gain": (
        {"robot__commands__0__interfaces": ["effort", "kd"], "robot__commands__0__constants": {"kd": 1.0}},
        "commands.slider.kd",
    ),
    "another scale": ({"robot__vectors__positions__elements__0__scale": 3.5}, ".cart_position.scale"),
    "another group": ({"task__observe": ["positions"]}, "vectors.velocities.elements"),
}
"""Changes of the YAML that change what numbers mean, and the field that says so."""

UNMEANT = {
    "limits of rate": {"robot__commands__0__joints__0__max_rate": 7.0},
    "time-outs": {"robot__guard__command_timeout_s": 0.9},
    "topics": {"robot__sources__joints__topic": "elsewhere"},
    "quality of service": {"robot__sources__joints__reliable": False},
    "a name of its own": {"namespace": "left"},
    "learning": {"agent__actor_rate": 1e-5, "agent__export_period_s": 9.0, "seed": 4},
    "episodes": {"task__episode_steps": 77},
    "words": {"robot__description": "our robot"},
}
"""Changes that do not."""


@pytest.mark.parametrize(("changes", "field"), MEANT.values(), ids=MEANT.keys())
def test_what_changes_the_meaning_of_a_number_is_named_with_both_values(changes, field):
    found = differences(CONFIG, **changes)
    assert any(field in sentence.split(" was ")[0] for sentence in found), found
    assert all(" was " in sentence and ", here it is " in sentence for sentence in found)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"width": 32, "height": 32}, "cameras.camera.size was '64x64', here it is '32x32'"),
        ({"encoding": "16UC1"}, "cameras.camera.encoding was 'rgb8', here it is '16UC1'"),
    ],
)
def test_another_picture_is_a_difference(changes, field):
    paths = {f"robot__cameras__camera__image__{name}": value for name, value in changes.items()}
    assert differences(SEEING, **paths) == [field]


def test_another_part_of_the_picture_is_a_difference():
    (difference,) = differences(SEEING, robot__cameras__camera__crop={"left": 0.25})
    assert difference == "cameras.camera.crop was absent, here it is '0.25 to 1 across, 0 to 1 down'"


def test_a_source_of_an_elements_own_is_a_difference():
    sources = {name: source.model_dump() for name, source in REACHER.robot.sources.items()}
    sources |= {"other": sources["joints"] | {"topic": "other"}}
    found = differences(REACHER, robot__sources=sources, robot__vectors__arm__elements__0__source="other")
    assert found == ["vectors.arm.shoulder_cos.source was absent, here it is 'other'"]


def test_targets_nearer_to_the_joint_are_a_difference():
    joint = {"name": "j", "unit": "rad", "low": -1.0, "high": 1.0, "max_rate": 1.0, "max_acceleration": 9.0}
    command = {"topic": "p", "type": "std_msgs/msg/Float64MultiArray", "kind": "position", "source": "joints"}
    plain, near = (
        changed(
            CONFIG,
            robot__commands=[command | {"joints": [joint | {"max_following_error": 0.5, "max_offset": offset}]}],
            robot__guard=CONFIG.robot.guard.model_dump() | {"safe_stop": "hold"},
        )
        for offset in (None, 0.2)
    )
    found = Fingerprint.of(plain).differences(Fingerprint.of(near))
    assert found == ["commands.j.max_offset was absent, here it is 0.2"]


@pytest.mark.parametrize("changes", UNMEANT.values(), ids=UNMEANT.keys())
def test_what_does_not_change_it_is_no_difference(changes):
    assert differences(CONFIG, **changes) == []


def test_swapped_elements_are_a_difference():
    elements = list(reversed(CONFIG.model_dump(mode="json")["robot"]["vectors"]["positions"]["elements"]))
    (difference,) = differences(CONFIG, robot__vectors__positions__elements=elements)
    assert difference.startswith("vectors.positions.elements was 'cart_position, pole_cos, pole_sin'")


def test_another_kind_of_command_is_a_difference():
    command = REACHER.robot.commands[0]
    other = {"position": "velocity", "velocity": "effort", "effort": "velocity"}[command.kind]
    swapped = command.model_copy(update={"kind": other})
    robot = REACHER.robot.model_copy(update={"commands": (swapped, *REACHER.robot.commands[1:])})
    found = Fingerprint.of(REACHER).differences(Fingerprint.of(REACHER.model_copy(update={"robot": robot})))
    assert f"commands.{command.joints[0].name}.kind was {command.kind!r}, here it is {other!r}" in found


def test_choices_are_meant_by_their_values_and_not_by_the_range_they_lie_in():
    choices = [{"name": "left", "values": {"slider": -5.0}}, {"name": "right", "values": {"slider": 5.0}}]
    two = changed(CONFIG, robot__choices=choices)
    assert Fingerprint.of(two).fields["choices.left.slider"] == -5.0
    assert differences(two, robot__commands__0__joints__0__high=100.0) == []
    choices[0]["values"]["slider"] = -4.0
    assert differences(two, robot__choices=choices) == ["choices.left.slider was -5.0, here it is -4.0"]


def test_a_fingerprint_survives_json_and_tells_when_it_was_changed():
    fingerprint = Fingerprint.of(CONFIG)
    written = fingerprint.model_dump_json()
    assert Fingerprint.model_validate_json(written) == fingerprint
    raw = json.loads(written)
    raw["fields"]["action_repeat"] = 2
    with pytest.raises(ValueError, match="hash"):
        Fingerprint.model_validate(raw)


def test_a_bundle_made_with_other_limits_is_refused_by_name():
    wider = changed(CONFIG, robot__commands__0__joints__0__high=100.0)
    with pytest.raises(BundleError, match=r"commands\.slider\.high was 100\.0, here it is 10\.0"):
        check_bundle(Bundle(make_bundle(wider), "bundle"), CONFIG)


def test_a_bundle_that_does_not_say_what_it_means_is_refused_with_a_remedy():
    with pytest.raises(BundleError, match="older versions; learn it anew"):
        check_bundle(Bundle(change_metadata(make_bundle(CONFIG), fingerprint=None), "bundle"), CONFIG)
