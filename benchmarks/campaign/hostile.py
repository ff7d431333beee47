"""A person who takes over again and again and does all that one should not: a plan drawn by seed, and its follower."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from robot_mbrl import messages, topics
from ros_nodes import qos

PERIOD_S = 0.05
"""Of switch and stick."""
KINDS = ("full", "wild", "middle", "two", "1 Hz", "nan", "silence", "silent stick")
"""What a person does once they have taken over: hold the stick at full; move it wildly; let go in the middle, again and
again; be joined by a second person; go on once a second; say NaN; fall silent; hold the switch without a stick."""
HONEST_S = (1.5, 3.0)
"""For how long a person only drives before that, at least and at most."""
HOSTILE_S = (3.0, 5.0)
LETTING_GO_S = 1.0
"""For so long it is said that the switch is let go."""
LONGEST_S = HONEST_S[1] + HOSTILE_S[1] + LETTING_GO_S
TOGGLE_S = (0.15, 0.6)
"""For how long a switch that is let go in the middle is held or not."""
SLOW_S = 1.0
"""Of a person who says something once a second."""


@dataclass(frozen=True)
class Hold:
    """One takeover; times are seconds since the plan began."""

    begin_s: float
    kind: str
    hostile_s: float
    """When it becomes what its kind says."""
    end_s: float
    """When the switch is let go."""
    teases: bool
    """Whether the stick is at full, and the switch said to be let go, until the next one begins."""


def draw_holds(seconds: float, count: int, rng: np.random.Generator) -> list[Hold]:
    """Takeovers at random moments, one after another; each kind comes before any comes again.

    Raises:
        ValueError: if so many do not fit.
    """
    slot_s = seconds / count
    if slot_s < LONGEST_S:
        raise ValueError(
            f"{count} takeovers of up to {LONGEST_S:g} s do not fit into {seconds:g} s: give more minutes, or fewer"
        )
    kinds: list[str] = []
    while len(kinds) < count:
        kinds += rng.permutation(KINDS).tolist()
    holds = []
    for number, kind in enumerate(kinds[:count]):
        begin_s = number * slot_s + rng.uniform(0.0, slot_s - LONGEST_S)
        hostile_s = begin_s + rng.uniform(*HONEST_S)
        holds.append(Hold(begin_s, kind, hostile_s, hostile_s + rng.uniform(*HOSTILE_S), bool(rng.integers(2))))
    return holds


class Hands:
    """Switch and stick of one person, a node of their own."""

    def __init__(self, name: str, context: Context, namespace: str, names: Sequence[str]) -> None:
        self.node = Node(name, context=context, namespace=namespace)
        self._names = names
        self._switch: Publisher = self.node.create_publisher(Bool, topics.TAKEOVER, qos.EVENTS)
        self._stick: Publisher = self.node.create_publisher(JointState, topics.TELEOP, qos.EVENTS)

    def hold(self, on: bool) -> None:
        """Say that the switch is held, or let go."""
        self._switch.publish(Bool(data=on))

    def steer(self, values: Sequence[float]) -> None:
        """Say where the stick is, in action units."""
        message = JointState()
        messages.write_named(message, dict(zip(self._names, values, strict=True)))
        self._stick.publish(message)


class HostilePerson:
    """Follows a plan while its executor is served.

    Attributes:
        node: of the person; others may listen by it.
    """

    def __init__(
        self,
        context: Context,
        executor: Executor,
        namespace: str,
        names: Sequence[str],
        holds: Sequence[Hold],
        rng: np.random.Generator,
    ) -> None:
        """Wait for `begin`.

        Args:
            context: of ROS.
            executor: serves the nodes.
            namespace: the robot's.
            names: of the action's elements, which are continuous.
            holds: the plan.
            rng: of what the stick says.
        """
        self._executor, self._holds, self._rng = executor, holds, rng
        self._make_hands: Callable[[str], Hands] = lambda name: Hands(name, context, namespace, names)
        self._size = len(names)
        self._hands = self._make_hands("person")
        self.node = self._hands.node
        executor.add_node(self.node)
        self._second: Hands | None = None
        self._begin_s = math.inf
        self._toggled_s, self._pressed = -math.inf, True
        self._slow_s = -math.inf
        self._full = np.ones(self._size)
        self._hold: Hold | None = None
        self.node.create_timer(PERIOD_S, self._live, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def begin(self) -> None:
        """The plan's first second is now."""
        self._begin_s = time.monotonic()

    def close(self) -> None:
        """Leave the graph."""
        self._part()
        self._executor.remove_node(self.node)
        self.node.destroy_node()

    def _live(self) -> None:
        now_s = time.monotonic() - self._begin_s
        begun = [hold for hold in self._holds if hold.begin_s <= now_s]
        if not begun:
            return
        hold = begun[-1]
        if hold is not self._hold:
            self._hold, self._pressed, self._toggled_s = hold, True, hold.hostile_s
            self._slow_s = -math.inf
            self._full = self._rng.choice((-1.0, 1.0), self._size)
        if now_s >= hold.end_s:
            self._part()
            if hold.teases or now_s < hold.end_s + LETTING_GO_S:
                self._say(on=False)
        elif now_s < hold.hostile_s:
            self._say(on=True)
        else:
            self._be_hostile(hold.kind, now_s)

    def _be_hostile(self, kind: str, now_s: float) -> None:
        match kind:
            case "full":
                self._say(on=True)
            case "wild":
                self._hands.steer(self._rng.uniform(-1.0, 1.0, self._size))
                self._hands.hold(True)
            case "middle":
                if now_s >= self._toggled_s:
                    self._pressed, self._toggled_s = not self._pressed, now_s + self._rng.uniform(*TOGGLE_S)
                self._say(on=self._pressed)
            case "two":
                if self._second is None:
                    self._second = self._make_hands("second_person")
                self._second.steer(-self._full)
                self._second.hold(bool(self._rng.integers(2)))
                self._say(on=True)
            case "1 Hz" if now_s >= self._slow_s:
                self._slow_s = now_s + SLOW_S
                self._say(on=True)
            case "nan":
                self._hands.steer([math.nan] * self._size)
                self._hands.hold(True)
            case "silent stick":
                self._hands.hold(True)

    def _say(self, *, on: bool) -> None:
        self._hands.steer(self._full)
        self._hands.hold(on)

    def _part(self) -> None:
        """The second person goes."""
        if self._second is not None:
            self._second.node.destroy_node()
            self._second = None
