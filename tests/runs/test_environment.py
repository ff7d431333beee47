"""Each run has a ROS domain of its own, unless the user has chosen one."""

import os
import socket
import sys

from robot_mbrl.runs.environment import DOMAIN_GAIN, DOMAINS, PORT_BASE, UNICAST_OFFSET, free_domain, node_environment


def test_what_the_user_has_set_is_kept() -> None:
    environment = node_environment({"ROS_DOMAIN_ID": "42", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"})
    assert environment["ROS_DOMAIN_ID"] == "42"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


def test_otherwise_a_run_keeps_to_a_domain_of_its_own_on_this_machine() -> None:
    environment = node_environment({})
    assert int(environment["ROS_DOMAIN_ID"]) in DOMAINS
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_a_domain_in_which_somebody_listens_is_passed_over() -> None:
    first = free_domain()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("", PORT_BASE + DOMAIN_GAIN * first + UNICAST_OFFSET))
        assert free_domain() != first


def test_a_sourced_ros_is_hidden_from_the_wheels() -> None:
    environment = node_environment(
        {
            "AMENT_PREFIX_PATH": "/opt/ros/jazzy",
            "PYTHONPATH": f"/opt/ros/jazzy/lib/python3.12/site-packages{os.pathsep}/home/me/tools",
            "LD_LIBRARY_PATH": "/opt/ros/jazzy/lib",
            "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
        }
    )
    assert environment["AMENT_PREFIX_PATH"] == sys.prefix
    assert environment["PYTHONPATH"] == "/home/me/tools"
    assert environment["LD_LIBRARY_PATH"] == ""
    assert environment["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
