"""Who is at the other end of a topic: node, computer and process, and whether that process still lives.

DDS shows the publishers and subscribers of a killed process for another 20 s. Fast DDS 2.14 composes the identity of a
participant, the first 12 bytes of that of each of its endpoints, of 2 bytes for the vendor, 2 that are a hash of the
computer's network addresses, the lower 2 bytes of the process's id, 2 random ones, and 4 to number the participants of
the process. So a process on this computer can be found, and asked after.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from rclpy.node import Node
from std_msgs.msg import String

from ros_nodes import qos

_UNKNOWN_NAME = "_NODE_NAME_UNKNOWN_"
"""How rmw names the node of an endpoint before it has heard more of it."""
_FAST_DDS = b"\x01\x0f"
_HOST, _PROCESS, _PARTICIPANT = slice(0, 4), slice(4, 6), slice(0, 12)
_PROCESS_IDS = 1 << 16
_REMEMBERED = 1000
"""Participants that are kept in mind; whoever is forgotten while it lives is found again."""
_LIBRARIES = (b"libfastrtps", b"libfastdds")
_ENDED = (b"Z", b"X")
"""States of processes that have ended, but not yet been waited for by their parents."""


@dataclass(frozen=True)
class Process:
    """A process of this computer; another one that gets its id has begun at another time."""

    pid: int
    began: bytes

    @classmethod
    def find(cls, pid: int) -> "Process | None":
        """The living process with this id, if there is one."""
        try:
            # The name, in parentheses, may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in _ENDED else cls(pid, fields[19])

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return Process.find(self.pid) == self

    @property
    def speaks_dds(self) -> bool:
        """Whether it is seen to have Fast DDS loaded; another user's processes are not seen."""
        try:
            maps = Path(f"/proc/{self.pid}/maps").read_bytes()
        except OSError:
            return False
        return any(library in maps for library in _LIBRARIES)


@dataclass(frozen=True)
class Participant:
    """A process's membership in the graph.

    Attributes:
        host: what tells computers apart; empty if it cannot be told.
        is_here: whether it is on this computer; None if it cannot be told.
        processes: those of this computer that it may be: one, but for rare chances; none if it cannot be told.
    """

    host: bytes
    is_here: bool | None
    processes: tuple[Process, ...] = ()

    @property
    def may_live(self) -> bool:
        """False if its process was found when it came, and has ended since."""
        return not self.processes or any(process.lives for process in self.processes)


@dataclass(frozen=True)
class Endpoint:
    """A publisher or subscriber of a topic."""

    gid: bytes
    node: str
    """Full name of its node; empty until it is known."""
    participant: Participant
    info: Any
    """What rclpy tells of it."""

    @property
    def is_named(self) -> bool:
        """Whether its node is known by name."""
        return bool(self.node)

    def __str__(self) -> str:
        """Its node, and where a person finds it."""
        node, processes = self.node or "a node without a name", self.participant.processes
        if len(processes) == 1:
            return f"{node} (process {processes[0].pid})"
        return f"{node} on another computer" if self.participant.is_here is False else node


class Endpoints:
    """Reads the endpoints of topics from the graph, without those whose process has ended.

    A process can be found only while it lives. That suffices: who joins the graph is not told of dead ones, and so a
    participant lives when it is first seen here, if it is looked for often enough.
    """

    def __init__(self, node: Node) -> None:
        """Find out how the identity of this node's own process looks."""
        self._node = node
        self._own = _own_participant(node)
        self.vendor = self._own[:2]
        """Who has made the middleware of this process, as the identities of participants begin."""
        is_readable = self._own[:2] == _FAST_DDS and _process_number(self._own) == os.getpid() % _PROCESS_IDS
        self._own_host = self._own[_HOST] if is_readable else b""
        self._participants: dict[bytes, Participant] = {}

    def publishers(self, topic: str) -> list[Endpoint]:
        """The publishers of a topic, given by its full name, in the order of their nodes' names."""
        return self._living(self._node.get_publishers_info_by_topic(topic))

    def subscribers(self, topic: str) -> list[Endpoint]:
        """The subscribers of a topic, in the same order."""
        return self._living(self._node.get_subscriptions_info_by_topic(topic))

    def _living(self, infos: Iterable[Any]) -> list[Endpoint]:
        found = []
        for info in infos:
            gid = bytes(info.endpoint_gid)
            participant = self._participant(gid)
            if participant.may_live:
                found.append(Endpoint(gid, _full_name(info), participant, info))
        return sorted(found, key=lambda endpoint: (endpoint.node, endpoint.gid))

    def _participant(self, gid: bytes) -> Participant:
        prefix = gid[_PARTICIPANT]
        participant = self._participants.get(prefix)
        if participant is None:
            if len(self._participants) >= _REMEMBERED:
                self._participants.pop(next(iter(self._participants)))
            participant = self._participants[prefix] = self._identify(prefix)
        return participant

    def _identify(self, prefix: bytes) -> Participant:
        if not self._own_host or prefix[:2] != _FAST_DDS:
            return Participant(b"", None)
        host = prefix[_HOST]
        if host != self._own_host:
            return Participant(host, is_here=False)
        processes = (Process.find(pid) for pid in range(_process_number(prefix), _highest_pid(), _PROCESS_IDS))
        # One in a container of its own is not found, or another one that has the same id here.
        return Participant(host, True, tuple(p for p in processes if p is not None and p.speaks_dds))


def _own_participant(node: Node) -> bytes:
    """The identity of this node's participant: rclpy tells it only of what the graph shows."""
    topic = node.resolve_topic_name(f"~/identity_{uuid4().hex}")
    publisher = node.create_publisher(String, topic, qos.EVENTS)
    try:
        return bytes(node.get_publishers_info_by_topic(topic)[0].endpoint_gid)[_PARTICIPANT]
    finally:
        node.destroy_publisher(publisher)


def _full_name(info: Any) -> str:
    return "" if info.node_name == _UNKNOWN_NAME else f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _process_number(participant: bytes) -> int:
    """The lower two bytes of its process's id."""
    return int.from_bytes(participant[_PROCESS], "little")


def _highest_pid() -> int:
    return int(Path("/proc/sys/kernel/pid_max").read_text())
