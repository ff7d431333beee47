"""Which DDS transports a node uses: for those that drive, none through which whoever joins the graph could stall them.

Before Fast DDS sends to another participant's port in shared memory for the first time, it checks that port's health,
which may take 0.33 s although nothing is wrong; meanwhile nothing that the process publishes leaves it. How long is
said by whoever made the port, so that every onlooker would have to be told otherwise. A node without shared memory
opens no such port: it reaches everybody by UDP, also those who have both (docs/design.md, "Transport").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from robot_mbrl.errors import ConfigError

FAST_DDS = "rmw_fastrtps"
"""How the names of ROS's middlewares on Fast DDS begin; others have no such ports."""
LOCAL_UDP = Path(__file__).with_name("local_udp.xml")
"""What the discovery range LOCALHOST means, without shared memory."""

RANGE, LOCALHOST_ONLY, PEERS = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS"
TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""A profile's file by the names that Fast DDS 2 and Fast DDS 3 read."""
FOUND_PROFILES = ("DEFAULT_FASTRTPS_PROFILES.xml", "DEFAULT_FASTDDS_PROFILES.xml")
"""Profiles that they find by themselves in the folder a process is started in."""
UDP, ROS_DEFAULT = "UDPv4", "DEFAULT"
UDP_OPTIONS = "?sockets_size=4194304"
"""Room for a picture of 1280x720, as in the profile; the kernel gives as much of it as net.core.rmem_max allows."""

STALLS = "nodes use shared memory, through which a process that joins the graph may stop the robot for 0.3 s"


@dataclass(frozen=True)
class Choice:
    """How a node joins the graph."""

    variables: dict[str, str] = field(default_factory=dict)
    """What it sets for itself."""
    warning: str | None = None
    """What the user should know of their own settings."""


def choose_transport(
    environment: Mapping[str, str], middleware: str, folder: Path, *, shared_memory: bool = False
) -> Choice:
    """UDP without shared memory, within the discovery range there is; what the user has set wins.

    Args:
        environment: the node's variables.
        middleware: the name of its ROS middleware.
        folder: the one it was started in.
        shared_memory: whether it has that as well, as ROS itself would do it: for big messages, where nothing depends
            on when its messages leave.

    Raises:
        ConfigError: if a setting of the user's would not reach Fast DDS.
    """
    if not middleware.startswith(FAST_DDS):
        return Choice()
    local = environment.get(LOCALHOST_ONLY) == "1" or environment.get(RANGE) == "LOCALHOST"
    profile = _profile(environment)
    found = [folder / name for name in FOUND_PROFILES if (folder / name).is_file()]
    if profile is not None or found:
        variables = {} if profile is None else dict.fromkeys(PROFILES, str(profile))
        # rmw_fastrtps adds shared memory to the profile's own transports.
        shares = f"{profile or found[0]} beside {RANGE}=LOCALHOST" if local else ""
    elif local:
        variables, shares = _on_this_computer(environment, shared_memory=shared_memory)
    else:
        variables, shares = _on_the_network(environment, shared_memory=shared_memory)
    return Choice(variables, f"{shares}: {STALLS}" if shares and not shared_memory else None)


def _profile(environment: Mapping[str, str]) -> Path | None:
    """The user's profile, under whichever name."""
    for name in PROFILES:
        if value := environment.get(name):
            if not Path(value).is_file():
                raise ConfigError(f"{name}: there is no file {value}; correct the path or unset the variable")
            return Path(value).absolute()
    return None


def _on_the_network(environment: Mapping[str, str], *, shared_memory: bool) -> tuple[dict[str, str], str]:
    """What to set, and which setting of the user's brings shared memory."""
    if asked_for := environment.get(TRANSPORTS):
        return {}, "" if asked_for.startswith("UDP") else f"{TRANSPORTS}={asked_for}"
    return {} if shared_memory else {TRANSPORTS: UDP + UDP_OPTIONS}, ""


def _on_this_computer(environment: Mapping[str, str], *, shared_memory: bool) -> tuple[dict[str, str], str]:
    """The same where rmw_fastrtps would set transports itself, shared memory among them, and drop the user's choice."""
    asked_for = environment.get(TRANSPORTS, "")
    # The older variable makes ROS ignore the peers.
    peers = environment.get(PEERS, "") if environment.get(LOCALHOST_ONLY) != "1" else ""
    if asked_for not in ("", UDP, ROS_DEFAULT) or (peers and asked_for == UDP):
        beside = f"{RANGE}=LOCALHOST" + (f" and {PEERS}" if peers else "")
        raise ConfigError(
            f"{TRANSPORTS}={asked_for} has no effect beside {beside}: unset it, set {RANGE}=SUBNET, or name your own "
            f"profile in {PROFILES[0]}"
        )
    if asked_for == ROS_DEFAULT:
        return {}, f"{TRANSPORTS}={asked_for}"
    if peers:
        return {}, f"{PEERS} beside {RANGE}=LOCALHOST"
    if shared_memory and not asked_for:
        return {}, ""
    # With any other range rmw_fastrtps leaves the profile as it is.
    return dict.fromkeys(PROFILES, str(LOCAL_UDP)) | {RANGE: "SYSTEM_DEFAULT", LOCALHOST_ONLY: ""}, ""
