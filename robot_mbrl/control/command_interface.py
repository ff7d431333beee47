"""A command topic of the driver: what its joints measure, what is asked of them, and the next command to send.

Two kinds stand behind one protocol: `position_commands.PositionInterface` commands positions,
`rate_commands.RateInterface` velocities, efforts and twists.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from robot_mbrl.config import CommandConfig
from robot_mbrl.control.measured import MeasuredJoints
from robot_mbrl.control.shaping import Limit

SLOW_SHARE = 0.1
"""Share of each joint's speed that a move home, or back inside its range, keeps to."""


@dataclass(frozen=True, slots=True)
class Command:
    """What the driver is to be told on one of its command topics."""

    config: CommandConfig
    values: tuple[float, ...]
    """In order of the config's joints, in their units."""
    further: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Likewise of each interface beside the kind, such as gains."""

    def named(self) -> dict[str, float]:
        """Values by joint, and those of further interfaces by `joint/interface`, as ros2_control names them."""
        names = [joint.name for joint in self.config.joints]
        named = dict(zip(names, self.values, strict=True))
        for interface, values in self.further.items():
            named |= zip((interface_name(name, interface) for name in names), values, strict=True)
        return named


@functools.cache
def interface_name(joint: str, interface: str) -> str:
    """Name of an interface of a joint beside the one it is commanded in."""
    return f"{joint}/{interface}"


def laid_out(config: CommandConfig) -> list[str]:
    """What a Float64MultiArray on a command's topic holds, in its order, named as `Command.named` does."""
    joints = [joint.name for joint in config.joints]
    if config.layout == "by_joint":
        return [_carried_name(config, joint, interface) for joint in joints for interface in config.carried]
    return [_carried_name(config, joint, interface) for interface in config.carried for joint in joints]


def _carried_name(config: CommandConfig, joint: str, interface: str) -> str:
    return joint if interface == config.kind else interface_name(joint, interface)


class Constants:
    """What the interfaces beside the kind are commanded: one set while driven, another in a safe stop."""

    def __init__(self, config: CommandConfig) -> None:
        """Look them up."""
        self.config = config
        self._driven = self._of(stopping=False)
        self._stopping = self._of(stopping=True)

    def command(self, values: Sequence[float], *, stopping: bool) -> Command:
        """The command of these values, in order of the config's joints."""
        return Command(self.config, tuple(values), self._stopping if stopping else self._driven)

    def _of(self, *, stopping: bool) -> dict[str, tuple[float, ...]]:
        config = self.config
        return {
            interface: tuple(config.constant(joint, interface, stopping=stopping) or 0.0 for joint in config.joints)
            for interface in config.further
        }


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
    speed_scale: float = 1.0
    """Share of each joint's speed, of positions, or command, of the others, that is not exceeded."""


class CommandInterface(Protocol):
    """Shapes the commands of one topic; used by the guard alone, which decides what is asked for and when.

    Call order: `joints.sense` as measurements arrive; `shape` whenever a command is due, with targets or, for the safe
    stop, without, or `go_home` or `bring_back`; then `sent` if the command was published, `refuse` if it must not be.

    Attributes:
        config: topic, kind and joints.
        joints: what is measured of them.
        limits: those that changed a command since they were last cleared.
    """

    config: CommandConfig
    joints: MeasuredJoints
    limits: set[Limit]

    def out_of_bounds(self) -> str:
        """Which joints are where they must not be; empty if none is known to be."""

    def out_of_range(self) -> str:
        """Which joints stand, not under way, where no action leads: from there the first would be a long move."""

    def following_fault(self) -> str:
        """Which joints do not follow their moving command; empty if all do."""

    def reset(self) -> None:
        """Begin the next command from what is measured then: a robot moved by hand shall not be pulled back."""

    def relocate(self) -> None:
        """Begin anew in any case: a simulator has put the joints elsewhere in an instant."""

    def release_damping(self) -> None:
        """Let the safe stop of efforts be none at all: the velocities are not measured any more."""

    def stop_actions(self) -> list[float]:
        """The normalised actions nearest to what the safe stop commands; damping counts as no effort."""

    def shape(self, targets: Mapping[str, float] | None, moment: Moment) -> Command | None:
        """The next command.

        Args:
            targets: requested values by joint, in the command's units, of those that are to change; a joint that is
                not named stays. None for the safe stop.
            moment: when.

        Returns:
            The command; None while there is none to send: positions are commanded from where the joints are, and not
            before that is believed and something is requested of them.
        """

    def rest(self, moment: Moment) -> Command | None:
        """The next command between two episodes: the safe stop's, but joints that it would let go are held."""

    def go_home(self, home: Mapping[str, float], moment: Moment) -> Command | None:
        """The next command of a slow move to these positions, rad or m; of what has no position, the safe stop's."""

    def is_home(self, home: Mapping[str, float]) -> bool:
        """Whether the joints are found near these positions; true of commands of another kind."""

    def is_told(self, places: Mapping[str, float]) -> bool:
        """Whether the newest command rests at these positions; never of commands of another kind."""

    def can_return(self) -> bool:
        """Whether joints that are out of bounds or range can be brought back by commands."""

    def bring_back(self, moment: Moment) -> Command | None:
        """The next command of a slow move of joints that are out of bounds or range back inside; others stay."""

    def fault(self, command: Command, dt_s: float) -> str:
        """What the final assertion has against a command; empty if nothing."""

    def sent(self, command: Command, moment: Moment) -> None:
        """Note that a command was published."""

    def refuse(self) -> None:
        """Go on from the newest command that was published, at rest, since the one after it must not be."""

    def settle(self) -> None:
        """Note that nothing was sent for so long that the robot rests at the newest command."""

    def is_at_rest(self, now_s: float) -> bool:
        """Whether the newest command is the safe stop's last."""
