"""Who else is in the graph: the guard that hears observations, and drivers that cannot be heard."""

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from robot_mbrl import topics
from robot_mbrl.robot_config import SourceConfig


def guards_that_hear(node: Node, *, with_policy: bool = False) -> frozenset[tuple[int, ...]]:
    """Guards in the graph that subscribe to this namespace's observations; a restart changes a guard's identity.

    Args:
        node: whose graph and namespace it is.
        with_policy: whether they count only while a policy runner hears observations too, as lockstep needs it.
    """
    listeners = {_name(listener) for listener in node.get_subscriptions_info_by_topic(topics.OBSERVATION)}
    if with_policy and listeners.isdisjoint(map(_name, node.get_publishers_info_by_topic(topics.ACTION))):
        return frozenset()
    guards = node.get_publishers_info_by_topic(topics.APPLIED_ACTION)
    return frozenset(tuple(guard.endpoint_gid) for guard in guards if _name(guard) in listeners)


def unheard_publishers(node: Node, name: str, source: SourceConfig) -> tuple[str, ...]:
    """Who publishes on a source's topic what cannot reach its readers here, each with the remedy.

    Args:
        node: whose graph it is.
        name: the source's name.
        source: how the robot's YAML wants to read it.
    """
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(source.topic))
    told = ((publisher, _mismatch(publisher, source)) for publisher in publishers)
    return tuple(f"source {name!r}: publisher {_name(who)} {mismatch}" for who, mismatch in told if mismatch)


def _mismatch(publisher: TopicEndpointInfo, source: SourceConfig) -> str:
    offered: QoSProfile = publisher.qos_profile
    if publisher.topic_type != source.type:
        return f"sends {publisher.topic_type}, the YAML says {source.type}: correct the type"
    best_effort = offered.reliability == ReliabilityPolicy.BEST_EFFORT
    if source.latched and (best_effort or offered.durability == DurabilityPolicy.VOLATILE):
        offer = "best effort" if best_effort else "volatile"
        return f"offers {offer}, the YAML asks latched: set latched: false and a max_age_s"
    if source.reliable and best_effort:
        return "offers best effort, the YAML asks reliable: set reliable: false"
    return ""


def _name(endpoint: TopicEndpointInfo) -> str:
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
