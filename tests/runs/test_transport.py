"""Nodes do without shared memory unless the user says otherwise; what the user says reaches DDS, or is refused."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from robot_mbrl.errors import ConfigError
from robot_mbrl.runs.transport import LOCAL_UDP, PROFILES, Choice, choose_transport

LOCAL = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"


def choose(environment: dict[str, str], folder: Path) -> Choice:
    return choose_transport(environment, "rmw_fastrtps_cpp", folder)


@pytest.mark.parametrize("environment", [LOCAL, {"ROS_LOCALHOST_ONLY": "1"}, LOCAL | {TRANSPORTS: "UDPv4"}])
def test_on_this_computer_a_profile_keeps_the_range_and_leaves_shared_memory_out(environment, tmp_path):
    choice = choose(environment, tmp_path)
    assert {choice.variables[name] for name in PROFILES} == {str(LOCAL_UDP)}
    assert choice.variables["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    assert not choice.variables["ROS_LOCALHOST_ONLY"]
    assert choice.warning is None
    names = [element.text for element in ElementTree.parse(LOCAL_UDP).iter() if element.tag.endswith("}type")]
    assert names == ["UDPv4"]


@pytest.mark.parametrize("environment", [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}])
def test_on_a_network_fast_dds_is_told_to_use_udp(environment, tmp_path):
    choice = choose(environment, tmp_path)
    assert choice.variables.keys() == {TRANSPORTS}
    assert choice.variables[TRANSPORTS].startswith("UDPv4")
    assert choice.warning is None


@pytest.mark.parametrize(
    "environment",
    [{TRANSPORTS: "LARGE_DATA"}, LOCAL | {TRANSPORTS: "DEFAULT"}, LOCAL | {"ROS_STATIC_PEERS": "10.0.0.7"}],
)
def test_shared_memory_that_the_user_asks_for_is_left_and_warned_of(environment, tmp_path):
    choice = choose(environment, tmp_path)
    assert choice.variables == {}
    assert set(environment) & set(choice.warning.replace("=", " ").replace(":", " ").split())
    assert "may stop the robot" in choice.warning


@pytest.mark.parametrize("options", ["UDPv4", "UDPv4?sockets_size=4MB"])
def test_udp_that_the_user_asks_for_is_left(options, tmp_path):
    assert choose({TRANSPORTS: options}, tmp_path) == Choice()


@pytest.mark.parametrize("asked_for", [{TRANSPORTS: "SHM"}, {TRANSPORTS: "UDPv4", "ROS_STATIC_PEERS": "10.0.0.7"}])
def test_transports_that_would_not_reach_fast_dds_are_refused(asked_for, tmp_path):
    with pytest.raises(ConfigError, match=f"{TRANSPORTS}={asked_for[TRANSPORTS]} has no effect beside .*LOCALHOST"):
        choose(LOCAL | asked_for, tmp_path)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_of_the_users_is_known_by_both_names_and_wins(name, tmp_path):
    profile = tmp_path / "mine.xml"
    profile.write_text("<dds/>")
    assert choose({name: str(profile)}, tmp_path) == Choice(dict.fromkeys(PROFILES, str(profile)))
    local = choose(LOCAL | {name: str(profile)}, tmp_path)
    assert local.variables == dict.fromkeys(PROFILES, str(profile))
    assert str(profile) in local.warning


def test_a_profile_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="FASTRTPS_DEFAULT_PROFILES_FILE: there is no file"):
        choose({"FASTRTPS_DEFAULT_PROFILES_FILE": str(tmp_path / "mine.xml")}, tmp_path)


def test_a_profile_that_fast_dds_finds_by_itself_wins(tmp_path):
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").write_text("<dds/>")
    choice = choose(LOCAL, tmp_path)
    assert choice.variables == {}
    assert "DEFAULT_FASTRTPS_PROFILES.xml" in choice.warning


@pytest.mark.parametrize("environment", [{}, LOCAL, LOCAL | {TRANSPORTS: "DEFAULT"}, {TRANSPORTS: "SHM"}])
def test_a_node_for_big_messages_is_left_as_ros_has_it(environment, tmp_path):
    assert choose_transport(environment, "rmw_fastrtps_cpp", tmp_path, shared_memory=True) == Choice()


def test_a_node_for_big_messages_does_without_shared_memory_where_the_user_does(tmp_path):
    environment = LOCAL | {TRANSPORTS: "UDPv4"}
    asked_for = choose_transport(environment, "rmw_fastrtps_cpp", tmp_path, shared_memory=True)
    assert asked_for == choose(environment, tmp_path)


def test_another_middleware_is_left_alone(tmp_path):
    assert choose_transport(LOCAL, "rmw_cyclonedds_cpp", tmp_path) == Choice()
