"""What there is to see of a run, by topic and field, as its config tells: the layouts of all tools are drawn from it.

Viewers find figures in two ways. PlotJuggler finds an element of a JointState by its name; Foxglove, Lichtblick and rqt
by its index alone, so `Element` has both. An entry of a DiagnosticArray, all but rqt find by its key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from robot_mbrl import topics
from robot_mbrl.config import RunConfig
from robot_mbrl.control.stops import Reason
from robot_mbrl.runs.scenario import namespace
from robot_mbrl.specs import Mode, Source

SHAPED_COMMAND = f"actuator/{topics.SHAPED_COMMAND.removeprefix('~/')}"
"""The command as it was sent, below the robot's namespace."""
ROSOUT = "/rosout"
WORLD_FRAME = "world"
"""What simulators tell the links' places from."""


@dataclass(frozen=True)
class Element:
    """An element of a JointState."""

    label: str
    topic: str
    name: str
    index: int
    field: str = "position"


@dataclass(frozen=True)
class Entry:
    """A figure in a DiagnosticArray."""

    label: str
    topic: str
    status: str
    """Name of the status, which is the full name of the node that reports."""
    hardware: str
    """Its `hardware_id`."""
    key: str


@dataclass(frozen=True)
class Text:
    """A std_msgs/String."""

    label: str
    topic: str


Signal = Element | Entry
"""A figure that changes with time."""


@dataclass(frozen=True)
class Panel:
    """Figures that belong into one plot."""

    title: str
    signals: tuple[Signal, ...]
    levels: tuple[tuple[str, float], ...] = ()
    """Horizontal lines, such as limits, by their labels."""


@dataclass(frozen=True)
class Overview:
    """All that a layout shows."""

    namespace: str
    learning: tuple[Panel, ...]
    robot: tuple[Panel, ...]
    joints: tuple[Panel, ...]
    words: tuple[Text | Element, ...]
    """What changes from one word to another: the guard's state, who drives, the mode of the episode."""
    meanings: Mapping[str, Mapping[int, str]]
    """What the numbers of the elements among `words` stand for, by label."""
    pictures: tuple[str, ...]
    """Topics of what the policy sees, each an Image."""
    prediction: str
    """Topic of the Image that shows what the world model expects beside what came."""
    description: str | None = None
    """Topic of the robot's URDF, if a simulator of ours publishes it and where the links are."""
    markers: tuple[str, ...] = ()
    """Topics of what is drawn beside the body, each a MarkerArray: goal, bounds and ghost; what stands around."""
    diagnostics: str = topics.DIAGNOSTICS
    log: str = ROSOUT

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every plot."""
        return (*self.learning, *self.robot, *self.joints)

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that is shown, once."""
        shown = [signal.topic for panel in self.panels for signal in panel.signals]
        shown += [word.topic for word in self.words]
        body = [*([] if self.description is None else [self.description]), *self.markers]
        return tuple(dict.fromkeys([*shown, *self.pictures, self.prediction, *body, self.diagnostics, self.log]))


def overview(config: RunConfig, learned_by: tuple[str, ...] = ()) -> Overview:
    """What there is to see of a run.

    Args:
        config: the run.
        learned_by: names of the agent's own figures among the learner's metrics, as the run has reported them; of a run
            that has not begun, those that its agent is known to have are shown.
    """
    drawn = _Drawn(config)
    return Overview(
        namespace=drawn.space,
        learning=tuple(drawn.learning(learned_by or config.agent.PLOTTED)),
        robot=tuple(drawn.robot()),
        joints=tuple(drawn.joints()),
        words=(
            Text("state", drawn.absolute(topics.STATE)),
            drawn.applied(topics.SOURCE, "who drives"),
            drawn.episode("mode", "mode of the newest episode"),
        ),
        meanings={
            "who drives": {int(source): source.name.lower() for source in Source},
            "mode of the newest episode": {int(mode): mode.name.lower() for mode in Mode},
        },
        pictures=tuple(drawn.absolute(topics.image(camera)) for camera in config.observation_spec().images),
        prediction=drawn.absolute(topics.PREDICTION),
        # Of a robot that exists in hardware only, nobody knows whether its driver tells.
        description=drawn.absolute(topics.ROBOT_DESCRIPTION) if config.task.world is not None else None,
        markers=tuple(drawn.absolute(topic) for topic in drawn.markers()),
    )


class _Drawn:
    """Topics and fields of one run."""

    def __init__(self, config: RunConfig) -> None:
        self.space = namespace(config)
        self._config = config
        self._observed = list(_observed(config))

    def absolute(self, topic: str) -> str:
        return f"{self.space}/{topic}"

    def episode(self, name: str, label: str) -> Element:
        return Element(label, self.absolute(topics.EPISODE), name, topics.EPISODE_ELEMENTS.index(name))

    def metric(self, name: str) -> Element:
        return Element(name, self.absolute(topics.METRICS), name, topics.METRICS_ELEMENTS.index(name))

    def applied(self, name: str, label: str) -> Element:
        elements = (*self._config.action_spec().names, topics.SOURCE, topics.POLICY_VERSION)
        return Element(label, self.absolute(topics.APPLIED_ACTION), name, elements.index(name))

    def said(self, node: str, key: str) -> Entry:
        return Entry(key, topics.DIAGNOSTICS, self.absolute(node), self.space.strip("/"), key)

    def guard(self, key: str, label: str) -> Entry:
        return Entry(label, self.absolute(topics.GUARD), self.absolute("actuator"), self.space.strip("/"), key)

    def markers(self) -> Iterator[str]:
        yield topics.MARKERS
        # Only what moves about has places on the ground, and a simulator that puts things there.
        if self._config.task.world is not None and self._config.robot.display.names:
            yield topics.SCENE

    def learning(self, learned_by: tuple[str, ...]) -> Iterator[Panel]:
        yield Panel("Return of each episode", (self.episode("return", "return"), self.episode("solved", "solved")))
        if learned_by:
            yield Panel("What the agent learns by", tuple(self.said("learner", name) for name in learned_by))
        yield Panel("Steps and updates", (self.metric("robot_steps"), self.metric("updates")))
        kept_up = (self.metric("updates_per_s"), self.metric("owed_updates"), self.metric("train_ratio"))
        yield Panel("How the learner keeps up", kept_up)

    def robot(self) -> Iterator[Panel]:
        guard = self._config.robot.guard
        yield Panel(
            "Latency, observation to command",
            tuple(self.guard(f"latency_{name}_ms", f"{name} ms") for name in ("p50", "p99", "max")),
            (("action deadline, ms", 1e3 * guard.action_deadline_s),),
        )
        yield Panel("Age of the policy, s", (self.said("policy", "version_age_s"),))
        yield Panel("Version of the policy", (self.applied(topics.POLICY_VERSION, "policy version"),))
        yield Panel("Late steps and stops", (self.guard("late", "late"), self.guard("stops", "stops")))
        yield Panel(
            "What the guard intervened for", tuple(self.guard(f"intervention.{reason}", reason) for reason in Reason)
        )

    def joints(self) -> Iterator[Panel]:
        names = self._config.robot.joint_names
        for command in self._config.robot.commands:
            for joint in command.joints:
                sent = Element(
                    f"{joint.name}, sent", self.absolute(SHAPED_COMMAND), joint.name, names.index(joint.name)
                )
                measured = self._measured(joint.name, command.kind)
                bounds = (("low", joint.low), ("high", joint.high))
                yield Panel(f"{joint.name}, {command.kind} in {joint.unit}", (sent, *measured), bounds)
                positions = self._measured(joint.name, "position")
                if command.kind != "position" and positions and (bounds_of := joint.position_bounds) is not None:
                    low, high = bounds_of
                    yield Panel(f"{joint.name}, position", positions, (("lowest", low), ("highest", high)))

    def _measured(self, joint: str, field: str) -> tuple[Element, ...]:
        """The observed elements that are this joint's plain position, velocity or effort."""
        return tuple(
            Element(f"{joint}, measured", self.absolute(topics.OBSERVATION), name, index)
            for index, (name, of, read, plain) in enumerate(self._observed)
            if of == joint and read == field and plain
        )


def _observed(config: RunConfig) -> Iterator[tuple[str, str | None, str, bool]]:
    """Name, joint, field and plainness of each observed value, in the order of the message."""
    for _, _, value in config.robot.values():
        yield value.name, value.joint, value.field, value.transform == "none" and value.difference_s is None
