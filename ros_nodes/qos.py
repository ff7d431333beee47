"""Quality of service of every topic of the graph, as its writer offers it and as its readers ask for it.

The depths are the writers' histories: a learner or recorder that restarts is sent what it missed, up to that many
messages. They stay small because a late joiner of a deep history blocks the writer's process (docs/design.md).
"""

from typing import TYPE_CHECKING

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

if TYPE_CHECKING:
    from robot_mbrl.sensor_config import SourceConfig

OBSERVATION_DEPTH = 1000
IMAGE_DEPTH = 200


def _profile(depth: int, *, durable: bool, reliable: bool = True) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if durable else DurabilityPolicy.VOLATILE,
    )


STEPS = _profile(OBSERVATION_DEPTH, durable=True)
"""Writers of `observation` and `applied_action`, and the readers that must not miss a step (learner, recorder)."""

IMAGES = _profile(IMAGE_DEPTH, durable=True)
"""Writers of `observation/<camera>`, and the readers that must not miss one."""

LIVE = _profile(20, durable=False)
"""Readers of steps and images that live in the present: policy, displays. Volatile ones cost writers nothing."""

FOLLOWED = _profile(OBSERVATION_DEPTH, durable=False)
"""Readers of steps that follow the present but must not miss one while they are busy: the monitor, the learner's
witness of what is lived now, and the guard, which owes every observation an applied action."""

LOCKSTEP = _profile(5, durable=True)
"""The guard's reader of observations in lockstep, where the world waits for ever after one that went by unheard."""

SEEN = _profile(1, durable=False, reliable=False)
"""Readers that a person looks at: the newest alone, and no writer waits for them or sends anything again."""

ACTION = _profile(1, durable=False)
"""`action`: only the newest wish counts."""

LATCHED = _profile(1, durable=True)
"""`policy`, `bundle`, `step_allowance`, `episode`, `state`: late joiners get the newest."""

EVENTS = _profile(10, durable=False)
"""`enable`, `emergency_stop`, `feedback`, `metrics`, `imagined`, `markers`, `scene`, `guard`, `/diagnostics`."""

TRANSFORMS = _profile(100, durable=False)
"""`tf` and `transforms`, as `tf2_ros` writes and reads them: a robot's links are told of one after another."""

COMMANDS = _profile(1, durable=False)
"""Command topics of the robot's driver."""

CLOCK = _profile(1, durable=False, reliable=False)
"""`/clock`, as rclpy's own time source reads it."""


READINGS_DEPTH = 10


def sensor(source: "SourceConfig") -> QoSProfile:
    """A driver's sensor topic, as its readers here ask for it and a simulated driver offers it.

    Of pictures only the newest is wanted. Other readings are small, and several devices may share one topic: with a
    depth of 1 the gripper's joints would replace the arm's before these were read. Best effort, unless the YAML asks
    for more, matches every driver; what a latched one said before is sent to reliable readers only.
    """
    # Not at the top: whoever stops a robot waits for no model to be built.
    from robot_mbrl.sensor_config import IMAGE_TYPES

    depth = 1 if source.type in IMAGE_TYPES else READINGS_DEPTH
    return _profile(depth, durable=source.latched, reliable=source.reliable or source.latched)
