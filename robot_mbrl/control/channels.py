"""A command topic of the driver: what its joints measure, what is wished of them, and the next command to send.

Two kinds stand behind one protocol: `paths.PathChannel` commands positions, `rates.RateChannel` velocities, efforts
and twists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.measured import MeasuredJoints
from robot_mbrl.control.shaping import Limit


@dataclass(frozen=True, slots=True)
class Command:
    """What the driver is to be told on one of its command topics."""

    config: CommandConfig
    values: tuple[float, ...]
    """In order of the config's joints, in their units."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a command is shaped, seconds."""

    now_s: float
    dt_s: float
    """Since the newest command."""
    period_s: float
    """How long this one will last."""
    remaining_s: float | None
    """How long positions may take to their targets, so that steps blend into one another; None for as fast as the
    limits allow."""


class Channel(Protocol):
    """Shapes the commands of one topic; used by the guard alone, which decides what is wished and when.

    Call order: `joints.sense` as measurements arrive; `shape` whenever a command is due, with targets or, for the safe
    stop, without, or `go_home`; then `sent` if the command was published, `refuse` if it must not be.

    Attributes:
        config: topic, kind and joints.
        joints: what is measured of them.
        limits: those that changed a command since they were last cleared.
    """

    config: CommandConfig
    joints: MeasuredJoints
    limits: set[Limit]

    def misplaced(self) -> str:
        """Which joints are where they must not be; empty if none is known to be."""

    def following_fault(self) -> str:
        """Which joints do not follow their moving command; empty if all do."""

    def begin_anew(self) -> None:
        """Hold what is measured now, while stopped: a robot moved by hand shall not be pulled back."""

    def undamp(self) -> None:
        """Let the safe stop of efforts be none at all: the velocities are not measured any more."""

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to what the safe stop commands; damping counts as no effort."""

    def shape(self, targets: Mapping[str, float], moment: Moment) -> Command | None:
        """The next command.

        Args:
            targets: wished values by joint, in the command's units; empty for the safe stop.
            moment: when.

        Returns:
            The command; None while the positions to begin from are not known.
        """

    def go_home(self, home: Mapping[str, float], moment: Moment) -> Command | None:
        """The next command of a slow move to these positions, rad or m; of what has no position, the safe stop's."""

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Whether the joints are found near these positions; true of commands of another kind."""

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""

    def sent(self, command: Command, dt_s: float) -> None:
        """Note that a command was published."""

    def refuse(self) -> None:
        """Go on from the newest command that was published, at rest, since the one after it must not be."""

    def settle(self) -> None:
        """Note that nothing was sent for so long that the robot rests at the newest command."""

    def is_at_rest(self, now_s: float) -> bool:
        """Whether the newest command is the safe stop's last."""
