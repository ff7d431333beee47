"""Who else is in the graph: the guard that hears observations, and drivers that cannot be heard."""

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from robot_mbrl import topics
from robot_mbrl.sensor_config import SourceConfig
from ros_nodes.endpoints import Endpoint, Endpoints


class Discovery:
    """What the sensor node sees of the graph: processes of this computer that have ended are left out at once."""

    def __init__(self, node: Node) -> None:
        """Look at a node's graph and namespace."""
        self._node = node
        self._endpoints = Endpoints(node)

    def guards_that_hear(self, *, with_policy: bool = False) -> frozenset[bytes]:
        """Guards that subscribe to this namespace's observations; a restart changes a guard's identity.

        Args:
            with_policy: whether they count only while a policy runner hears observations too, as lockstep needs it.
        """
        listeners = {listener.node for listener in self._endpoints.subscribers(self._full(topics.OBSERVATION))}
        if with_policy and listeners.isdisjoint(p.node for p in self._publishers(topics.ACTION)):
            return frozenset()
        return frozenset(guard.gid for guard in self._publishers(topics.APPLIED_ACTION) if guard.node in listeners)

    def unheard_publishers(self, name: str, source: SourceConfig) -> tuple[str, ...]:
        """Who publishes on a source's topic what cannot reach its readers here, each with the remedy.

        Args:
            name: the source's name.
            source: how the robot's YAML wants to read it.
        """
        told = ((publisher, _mismatch(publisher, source)) for publisher in self._publishers(source.topic))
        return tuple(f"source {name!r}: publisher {who} {mismatch}" for who, mismatch in told if mismatch)

    def _publishers(self, topic: str) -> list[Endpoint]:
        return self._endpoints.publishers(self._full(topic))

    def _full(self, topic: str) -> str:
        return self._node.resolve_topic_name(topic)


def _mismatch(publisher: Endpoint, source: SourceConfig) -> str:
    offered = publisher.info.qos_profile
    if publisher.info.topic_type != source.type:
        return f"sends {publisher.info.topic_type}, the YAML says {source.type}: correct the type"
    best_effort = offered.reliability == ReliabilityPolicy.BEST_EFFORT
    if source.latched and (best_effort or offered.durability == DurabilityPolicy.VOLATILE):
        offer = "best effort" if best_effort else "volatile"
        return f"offers {offer}, the YAML asks latched: set latched: false and a max_age_s"
    if source.reliable and best_effort:
        return "offers best effort, the YAML asks reliable: set reliable: false"
    return ""
