"""What a robot's nodes say of themselves: the guard's state and its reason, and what sensor and policy wait for."""

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import String

from robot_mbrl import topics
from ros_nodes import qos

MOVING, DISABLED, RESETTING = "moving", "disabled", "resetting"
LATCHED = "latched: "


class RobotState:
    """Listens to the guard, and on request to the other nodes of the robot.

    Attributes:
        word: the guard's state as it says it on `state`; empty before anything was heard.
        report: the guard's newest report by key; empty before anything was heard.
        troubles: what the robot's other nodes warn of, by node; needs `listen_to_nodes`.
    """

    def __init__(self, node: Node) -> None:
        """Subscribe.

        Args:
            node: in the robot's namespace.
        """
        self.word = ""
        self.report: dict[str, str] = {}
        self.troubles: dict[str, str] = {}
        self._node = node
        node.create_subscription(String, topics.STATE, self._on_state, qos.LATCHED)
        node.create_subscription(DiagnosticArray, topics.GUARD, self._on_guard, qos.EVENTS)

    def listen_to_nodes(self) -> None:
        """Hear what the robot's other nodes report, once a second."""
        self._node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, qos.EVENTS)

    def says(self, key: str) -> bool:
        """Whether the guard's newest report says that something is so."""
        return self.report.get(key) == "True"

    @property
    def bare(self) -> str:
        """The state's word, whether or not the robot's side runs in shadow."""
        return self.word.removesuffix(topics.SHADOW)

    @property
    def latched(self) -> bool:
        """Whether only a person can end the stop."""
        return self.says("latched") or self.word.startswith(LATCHED)

    @property
    def sentence(self) -> str:
        """The state with all that is known of its reason."""
        return explained(self.word, self.report.get("detail", ""))

    @property
    def reasons(self) -> str:
        """What the other nodes warn of, in one line; empty where they are well."""
        return "; ".join(f"{name}: {message}" for name, message in sorted(self.troubles.items()))

    def _on_state(self, message: Any) -> None:
        self.word = message.data

    def _on_guard(self, message: Any) -> None:
        if message.status:
            self.report = {pair.key: pair.value for pair in message.status[0].values}
            self.word = self.report.get("state") or self.word

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            namespace, _, name = status.name.rpartition("/")
            # The guard has more to say, and says it on a topic of its own.
            if namespace != self._node.get_namespace().rstrip("/") or name == "actuator":
                continue
            if status.level == DiagnosticStatus.OK:
                self.troubles.pop(name, None)
            else:
                self.troubles[name] = status.message


def explained(word: str, detail: str) -> str:
    """A state of the guard with its detail, unless that says nothing more."""
    return f"{word}: {detail}" if detail and detail not in word else word
