"""What may go wrong, as data: one seeded description, read from YAML.

`docs/simulation.md` has a table of all kinds, `sim/faults/example.yaml` one of each.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.config import RobotConfig, read_model
from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import Count, Fraction, Frozen, NonNegative, Positive

Underdamped = Annotated[float, Field(gt=0, lt=1)]


class Fault(Frozen):
    """One thing that goes wrong, once or again and again."""

    start_s: NonNegative = 0.0
    """Seconds after the driver's start at which it begins, or may begin."""
    duration_s: Positive | None = None
    """How long it lasts each time; null for ever."""
    per_minute: Positive | None = None
    """How often it begins, on average, at moments drawn from the seed; null for once, at `start_s`."""

    @property
    def says(self) -> str:
        """The fault in a line, as YAML has it."""
        fields = self.model_dump(exclude_defaults=True, exclude={"kind"}, mode="json")
        words = ", ".join(f"{name}: {value}" for name, value in fields.items())
        return f"{getattr(self, 'kind', 'fault')} ({words})" if words else str(getattr(self, "kind", "fault"))

    @model_validator(mode="after")
    def _ends_before_it_begins_again(self) -> Self:
        if self.per_minute is not None and self.duration_s is None:
            raise ValueError("per_minute: what begins again and again must end: give duration_s")
        return self


class JointFault(Fault):
    """A fault of some joints."""

    joints: tuple[str, ...] = ()
    """Names; empty for all commanded joints."""


class SourceFault(Fault):
    """A fault of some sensor topics."""

    sources: tuple[str, ...] = ()
    """Names as the robot's YAML has them; empty for all that this can happen to."""
    pictures: ClassVar[bool] = False
    """Whether only cameras can have it."""


class ServoLag(JointFault):
    """The drive follows its command as a first-order filter does."""

    kind: Literal["servo_lag"]
    lag_s: Positive
    """Time constant."""


class Overshoot(JointFault):
    """The drive follows its command as a second-order filter with too little damping: it swings past."""

    kind: Literal["overshoot"]
    lag_s: Positive
    """Inverse of its natural frequency, in rad/s."""
    damping: Underdamped = 0.4
    """Damping ratio; the first swing goes past by exp(-pi d / sqrt(1 - d²)), 25% at 0.4."""


class DeadTime(JointFault):
    """The drive does nothing at first."""

    kind: Literal["dead_time"]
    delay_s: Positive


class Blocked(JointFault):
    """Something is in the way: the joint does not move, whatever it is told."""

    kind: Literal["blocked"]


class Slipping(JointFault):
    """The joint makes only a share of the motion that it is told to make."""

    kind: Literal["slipping"]
    share: Fraction = 0.5


class MovedByHand(JointFault):
    """Somebody pushes the joint; it comes back once let go of where the drive holds it."""

    kind: Literal["moved_by_hand"]
    push: float
    """Speed that the push adds, rad/s or m/s; of efforts, the effort."""


class Noise(JointFault):
    """Readings scatter."""

    kind: Literal["noise"]
    position: NonNegative
    """Standard deviation, rad or m."""
    velocity: NonNegative = 0.0
    """Standard deviation, rad/s or m/s."""


class Quantisation(JointFault):
    """The encoder knows whole steps only."""

    kind: Literal["quantisation"]
    step: Positive
    """Rad or m."""


class ImpossibleReading(JointFault):
    """One reading each time is of a place where the joint is not."""

    kind: Literal["impossible_reading"]
    value: float
    """Rad or m."""


class Wrapping(JointFault):
    """Angles are given within [-pi, pi)."""

    kind: Literal["wrapping"]


class DropOut(SourceFault):
    """Messages are lost."""

    kind: Literal["drop_out"]
    share: Fraction = 1.0


class Burst(SourceFault):
    """Messages are held back while it lasts, and come all at once."""

    kind: Literal["burst"]


class Delay(SourceFault):
    """Messages come late."""

    kind: Literal["delay"]
    delay_s: NonNegative
    jitter_s: NonNegative = 0.0
    """Up to this much more, evenly drawn; with more than a period, messages overtake one another."""


class Reordered(SourceFault):
    """A message comes after the one that follows it."""

    kind: Literal["reordered"]
    share: Fraction = 0.2


class Repeated(SourceFault):
    """A message comes again."""

    kind: Literal["repeated"]
    share: Fraction = 0.2
    after_s: NonNegative = 0.0


class FrozenReading(SourceFault):
    """The newest reading is sent again and again: a driver whose connection to the hardware hangs."""

    kind: Literal["frozen"]
    stamp: Literal["old", "fresh"]
    """Whether it keeps the stamp of that reading, or is stamped anew each time."""


class StampJump(SourceFault):
    """The driver's clock steps, and goes on from there while it lasts."""

    kind: Literal["stamp_jump"]
    offset_s: float
    """Negative for a step back."""


class StampStill(SourceFault):
    """Readings go on, under a stamp that stands still."""

    kind: Literal["stamp_still"]


class Split(SourceFault):
    """The joints of one source come in several messages."""

    kind: Literal["split"]
    parts: Annotated[int, Field(ge=2)] = 2
    publishers: Literal["one", "several"] = "one"


class Contradiction(SourceFault):
    """A second publisher names the same joints and says something else."""

    kind: Literal["contradiction"]
    value: float = 0.0
    """Position it gives for every joint, rad or m."""


class BestEffort(SourceFault):
    """The driver publishes best effort only; for as long as it runs."""

    kind: Literal["best_effort"]


class DriverDeath(Fault):
    """The driver is not there while it lasts; it comes back with zeros before its first reading."""

    kind: Literal["driver_death"]
    duration_s: Positive
    zeros_s: NonNegative = 0.1
    """How long it says zero."""


class Deaf(Fault):
    """The driver is up, and does nothing of what it is told: its drives stay at their last command."""

    kind: Literal["deaf"]


class CommandDelay(Fault):
    """The bus to the drives is slow."""

    kind: Literal["command_delay"]
    delay_s: NonNegative
    jitter_s: NonNegative = 0.0
    """Up to this much more, evenly drawn; a command never overtakes another."""


class LargePictures(SourceFault):
    """Cameras send larger pictures, and more of them, than anybody asked for."""

    kind: Literal["large_pictures"]
    pictures: ClassVar[bool] = True
    width: Count = 1280
    height: Count = 720
    rate_hz: Positive = 60.0


class DamagedPictures(SourceFault):
    """Pictures come with a part of their data missing or wrong."""

    kind: Literal["damaged_pictures"]
    pictures: ClassVar[bool] = True
    share: Fraction = 0.2


class UnknownEncoding(SourceFault):
    """Pictures come in an encoding that nobody knows."""

    kind: Literal["unknown_encoding"]
    pictures: ClassVar[bool] = True
    encoding: str = "yuv422_yuy2_custom"


AnyFault = (
    ServoLag
    | Overshoot
    | DeadTime
    | Blocked
    | Slipping
    | MovedByHand
    | Noise
    | Quantisation
    | ImpossibleReading
    | Wrapping
    | DropOut
    | Burst
    | Delay
    | Reordered
    | Repeated
    | FrozenReading
    | StampJump
    | StampStill
    | Split
    | Contradiction
    | BestEffort
    | DriverDeath
    | Deaf
    | CommandDelay
    | LargePictures
    | DamagedPictures
    | UnknownEncoding
)


class Faults(Frozen):
    """Everything that goes wrong with one driver."""

    seed: Annotated[int, Field(ge=0)] = 0
    faults: tuple[Annotated[AnyFault, Field(discriminator="kind")], ...] = ()

    def of(self, *kinds: Any) -> tuple[Any, ...]:
        """The faults of some kinds, each with its number in the description, which its random stream is named after."""
        return tuple((index, fault) for index, fault in enumerate(self.faults) if isinstance(fault, kinds))

    def require_fit(self, robot: RobotConfig, file: str = "faults") -> None:
        """Refuse joints and sources that the robot does not have.

        Raises:
            ConfigError: naming the field.
        """
        measured = {value.joint for _, _, value in robot.values() if value.joint is not None}
        joints = {*robot.joint_names, *measured}
        for index, fault in enumerate(self.faults):
            for field, known in (("joints", joints), ("sources", set(robot.sources))):
                if unknown := sorted(set(getattr(fault, field, ())) - known):
                    raise ConfigError(
                        f"{file}: faults.{index}.{field}: robot {robot.name!r} has no {unknown}; it has {sorted(known)}"
                    )


def no_faults() -> Faults:
    """Hardware as one wishes it to be."""
    return Faults()


def load_faults(path: str | Path, robot: RobotConfig | None = None) -> Faults:
    """Read a description.

    Args:
        path: of a YAML; empty for no faults.
        robot: whose joints and sources it may name; None does not look.

    Raises:
        ConfigError: if it is missing or wrong; the message names file and field.
    """
    if not str(path):
        return no_faults()
    faults = read_model(Faults, Path(path))
    if robot is not None:
        faults.require_fit(robot, str(path))
    return faults
