"""Who publishes what the robot moves by, and who hears its commands: one publisher each, or no motion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from robot_mbrl.control.writers import WriterWatch
from ros_nodes.claims import CLAIMING
from ros_nodes.endpoints import Endpoint, Endpoints

REFRESH_S = 0.25
"""How often it is asked who they are. Only how many there are is asked every time, and that is what changes first."""
INTRODUCED_S = 1.0
"""After this a listener that has not told its node's name counts as a driver that is no ROS node."""
OWN_ONLOOKERS = frozenset(
    {"bundle", "check", "learner", "monitor", "operator", "recorder", "status", "viewer", *CLAIMING}
)
"""Our own nodes: none of them is a driver. The simulator is."""
ONLOOKERS = ("_ros2cli", "rosbag2", "rviz", "rqt", "plotjuggler", "foxglove_bridge", "rosbridge", "rosapi")
"""How the names of nodes begin that show or record what they hear."""


class ConflictKind(StrEnum):
    """What is wrong with a topic."""

    PUBLISHERS = "publishers"
    """More than one publisher of what must come from one."""
    PEOPLE = "people"
    """More than one publisher of what a person moves the robot by."""
    UNHEARD = "unheard"
    """No driver listens to a command topic."""


@dataclass(frozen=True)
class Conflict:
    """Why the robot must not move."""

    kind: ConflictKind
    topic: str
    """Its full name."""
    text: str
    """The same for a person: the topic, and the nodes by name."""

    def __str__(self) -> str:
        """The sentence."""
        return self.text


class PublisherWatch:
    """Watches the topics that a robot moves by, on however many computers.

    Counting is cheap, and the graph counts a publisher before it delivers the first of its messages: who asks `update`
    before it follows a message never follows a second publisher's first one.
    """

    def __init__(
        self,
        node: Node,
        *,
        exclusive: Iterable[str],
        commands: Sequence[Publisher],
        sources: Iterable[str] = (),
        people: Iterable[str] = (),
    ) -> None:
        """Begin to watch.

        Args:
            node: who asks; its own publishers of the command topics are the rightful ones.
            exclusive: topics that one node alone may publish: `observation` and `action`.
            commands: the node's publishers of the driver's command topics: it alone may publish those, and a driver
                must listen.
            sources: topics that several nodes may publish, as long as each joint comes from one; see `note`.
            people: topics that a person takes over or jogs by: of two people, neither does.
        """
        self._node = node
        self._endpoints = Endpoints(node)
        self._commands = {publisher.topic_name: publisher for publisher in commands}
        self._exclusive = [node.resolve_topic_name(topic) for topic in exclusive] + list(self._commands)
        self._people = [node.resolve_topic_name(topic) for topic in people]
        self._writers = {node.resolve_topic_name(topic): WriterWatch() for topic in sources}
        self._counts: list[int] = []
        self._refresh_s = 0.0
        self._first_seen_s: dict[bytes, float] = {}
        self._conflicts: tuple[Conflict, ...] = ()

    def note(self, topic: str, names: Iterable[str], info: Mapping[str, int | None], now_s: float) -> None:
        """Take in that a message came from one of `sources`.

        Args:
            topic: as given at the start.
            names: the joints in it.
            info: what rclpy tells of the message beside it.
            now_s: steady time.
        """
        number = info.get("publication_sequence_number")
        self._writers[self._node.resolve_topic_name(topic)].note(names, number, now_s)

    def update(self, now_s: float) -> tuple[Conflict, ...]:
        """What is wrong now; empty if nothing is."""
        counts = self._count()
        if counts != self._counts or now_s >= self._refresh_s:
            self._counts, self._refresh_s = counts, now_s + REFRESH_S
            self._conflicts = tuple(self._find(now_s))
        return self._conflicts

    def _count(self) -> list[int]:
        counts = [self._node.count_publishers(topic) for topic in (*self._exclusive, *self._people)]
        return counts + [self._node.count_subscribers(topic) for topic in self._commands]

    def _find(self, now_s: float) -> Iterable[Conflict]:
        for topic in (*self._exclusive, *self._people):
            publishers = self._distinct(self._endpoints.publishers(topic))
            if len(publishers) > 1:
                kind = ConflictKind.PEOPLE if topic in self._people else ConflictKind.PUBLISHERS
                yield Conflict(kind, topic, f"{_publishers(publishers)} of {_list(topic, publishers)}")
        for topic, watch in self._writers.items():
            if joints := watch.contradicted(now_s):
                publishers = self._endpoints.publishers(topic)
                says = f"{_publishers(publishers)} of {', '.join(joints)} on {_list(topic, publishers)}"
                yield Conflict(ConflictKind.PUBLISHERS, topic, says)
        for topic, publisher in self._commands.items():
            listeners = self._endpoints.subscribers(topic)
            if (reason := self._unheard(publisher, listeners, now_s)) is not None:
                yield Conflict(ConflictKind.UNHEARD, topic, f"no driver listens to {topic}{reason}")

    def _distinct(self, publishers: list[Endpoint]) -> list[Endpoint]:
        """Without those that must be dead.

        Of a policy or sensor node on another computer nobody here knows whether its process lives; but of two with the
        same name there, only one can, since it has claimed its robot. The other is one that was killed.
        """
        namespace = self._node.get_namespace().rstrip("/")
        claiming = {f"{namespace}/{name}" for name in CLAIMING}
        distinct: dict[object, Endpoint] = {}
        for publisher in publishers:
            participant = publisher.participant
            claimed = publisher.node in claiming and participant.host and not participant.processes
            distinct[(participant.host, publisher.node) if claimed else publisher.gid] = publisher
        return list(distinct.values())

    def _unheard(self, publisher: Publisher, listeners: list[Endpoint], now_s: float) -> str | None:
        """Why no driver hears these commands, to be added to that sentence; None if one does."""
        refusals, onlookers = [], []
        for listener in listeners:
            if self._looks_on(listener, now_s):
                onlookers.append(listener)
            elif reason := qos_mismatch(publisher.qos_profile, listener.info.qos_profile):
                refusals.append(f"{listener} asks for another quality of service ({reason})")
            else:
                return None
        if refusals:
            return f": {'; '.join(refusals)}"
        return f", only {', '.join(map(str, onlookers))}" if onlookers else ""

    def _looks_on(self, listener: Endpoint, now_s: float) -> bool:
        """Whether a listener is no driver, or not known yet."""
        if not listener.is_named:
            return now_s - self._first_seen_s.setdefault(listener.gid, now_s) < INTRODUCED_S
        self._first_seen_s.pop(listener.gid, None)
        return is_onlooker(listener, self._node.get_namespace())


def is_onlooker(listener: Endpoint, namespace: str) -> bool:
    """Whether a listener is known to be no driver: one of our own nodes of the robot, or a tool that shows or records.

    Args:
        listener: who listens to a command topic.
        namespace: the robot's.
    """
    space, _, name = listener.node.rpartition("/")
    is_own = name in OWN_ONLOOKERS and space in ("", namespace.rstrip("/"))
    return is_own or name.startswith(ONLOOKERS)


def qos_mismatch(offered: QoSProfile, asked: QoSProfile) -> str:
    """Why DDS does not connect the two; empty if it does."""
    # Only these: an endless deadline, as the graph tells it, is taken for one of 292 years.
    asked = QoSProfile(depth=asked.depth or 1, reliability=asked.reliability, durability=asked.durability)
    compatibility, reason = qos_check_compatible(offered, asked)
    if compatibility != QoSCompatibility.ERROR:
        return ""
    return str(reason).removeprefix("ERROR: ").rstrip("; ")


def _publishers(publishers: Sequence[Endpoint]) -> str:
    return f"{len(publishers)} publishers" if len(publishers) > 1 else "more than one publisher"


def _list(topic: str, publishers: Iterable[Endpoint]) -> str:
    return f"{topic}: {', '.join(map(str, publishers))}"
