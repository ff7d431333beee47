"""The environment variables that nodes run with: one ROS domain per run, and no mixture of two ROS installations."""

import os
import socket
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from robot_mbrl.errors import ConfigError

DOMAINS = range(1, 102)
"""Domain ids whose ports lie below Linux's ephemeral ones; 0 is where everybody else is."""
LAST_DOMAIN = 232
"""The ports of higher ones do not exist."""
PORT_BASE, DOMAIN_GAIN, UNICAST_OFFSET = 7400, 250, 10
"""DDS's default port mapping: a domain's first participant listens on base + gain * domain + offset."""

JOINING = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE")
"""What another terminal must set to join a run."""


def node_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Variables for a run's nodes.

    A domain or discovery range that the user set is kept; otherwise the run gets a domain of its own, reached from
    this machine only.

    Args:
        inherited: the variables of this process.

    Raises:
        ConfigError: if the domain is none.
    """
    environment = dict(inherited)
    _refuse_wrong_domain(environment)
    environment.setdefault("ROS_DOMAIN_ID", str(free_domain()))
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment["PYTHONUNBUFFERED"] = "1"
    # Files are UTF-8, whatever the locale of a service is.
    environment["PYTHONUTF8"] = "1"
    # Every node computes on the threads it is given; OpenMP's own default would take all cores away from the robot's.
    environment.setdefault("OMP_NUM_THREADS", "1")
    if find_spec("ros_wheels_bootstrapper") is not None:
        _use_wheels(environment)
    return environment


def ros_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Variables with which computers meet: where the user chose nothing, everybody is where ROS itself would be.

    Raises:
        ConfigError: if the domain is none.
    """
    _refuse_wrong_domain(inherited)
    return {"ROS_DOMAIN_ID": "0", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"} | dict(inherited)


def joining(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of these variables that another terminal must set to join a run."""
    return {name: value for name, value in environment.items() if name in JOINING}


def joining_words(environment: Mapping[str, str]) -> str:
    """The same as a shell takes it."""
    return " ".join(f"{name}={value}" for name, value in joining(environment).items())


def free_domain() -> int:
    """A domain id in which nobody on this machine listens.

    Different processes begin their search at different ids, so that two runs started together do not meet.
    """
    start = os.getpid() % len(DOMAINS)
    for index in range(len(DOMAINS)):
        domain = DOMAINS[(start + index) % len(DOMAINS)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", PORT_BASE + DOMAIN_GAIN * domain + UNICAST_OFFSET))
            except OSError:
                continue
            return domain
    return DOMAINS[start]


def _refuse_wrong_domain(environment: Mapping[str, str]) -> None:
    domain = environment.get("ROS_DOMAIN_ID")
    if domain is not None and not (domain.isascii() and domain.isdigit() and int(domain) <= LAST_DOMAIN):
        raise ConfigError(f"ROS_DOMAIN_ID: {domain!r} is no domain: set it to a number from 0 to {LAST_DOMAIN}")


def _use_wheels(environment: dict[str, str]) -> None:
    """Let the ROS wheels of this Python be found, and hide an apt ROS 2 that the user's shell has sourced."""
    prefixes = [prefix for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    foreign = tuple(prefix for prefix in prefixes if prefix != sys.prefix)
    for variable in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        paths = [path for path in environment.get(variable, "").split(os.pathsep) if path]
        kept = [path for path in paths if not path.startswith(foreign)] if foreign else paths
        environment[variable] = os.pathsep.join(kept)
    environment["AMENT_PREFIX_PATH"] = sys.prefix
    # The wheels hold Fast DDS only.
    environment["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
