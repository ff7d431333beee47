"""Whether the guard would let the robot move from where it stands: its own judgement, without a command."""

from collections.abc import Iterator
from typing import Any

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.conditions import Conditions
from robot_mbrl.control.pipeline import CommandPipeline
from robot_mbrl.errors import MessageError
from robot_mbrl.readiness.finding import Finding, green, red


class Pose:
    """Takes in what the driver says of its joints, as the guard does."""

    def __init__(self, robot: RobotConfig, step_s: float) -> None:
        """Begin knowing nothing."""
        self._pipeline = CommandPipeline(robot, step_s, lockstep=False, simulated=False)
        self._conditions = Conditions(robot, simulated=False)
        self._refusal = ""

    def sense(self, source: str, message: Any, now_s: float) -> None:
        """Take in a message of a source."""
        self._conditions.sense(source, message, now_s)
        for interface in self._pipeline.interfaces:
            if interface.config.source == source:
                try:
                    interface.joints.sense(message, now_s)
                except MessageError as error:
                    self._refusal = str(error)

    def judge(self, now_s: float) -> Iterator[Finding]:
        """Findings about the present pose and about the conditions for motion."""
        yield self._believed(now_s)
        if (trouble := self._conditions.trouble(now_s)) or self._conditions.all:
            told = f"{len(self._conditions.all)} are met"
            remedy = "see to it on the robot, or correct guard.conditions"
            yield red("conditions", trouble, remedy) if trouble else green("conditions", told)

    def _believed(self, now_s: float) -> Finding:
        pipeline = self._pipeline
        if all(interface.joints.source is None for interface in pipeline.interfaces):
            return green("pose", "no commanded joint is measured")
        if self._refusal:
            return red("pose", self._refusal, "see to it in the driver: the guard refuses such messages")
        if pipeline.is_stale(now_s):
            return red("pose", pipeline.staleness(now_s), "see to the sources above")
        if unsettled := pipeline.unsettled():
            remedy = "see whether two publishers report them, or one lies"
            return red("pose", f"readings do not agree of joints {unsettled}", remedy)
        if beyond := pipeline.out_of_bounds():
            remedy = "bring it back by hand, or with robot-mbrl bring-back once the robot's side runs; or correct "
            return red("pose", f"the guard would latch: {beyond}", remedy + "position_low and position_high")
        if beyond := pipeline.out_of_range():
            remedy = "bring it back by hand, or with robot-mbrl bring-back once the robot's side runs; or correct "
            return red("pose", f"no action leads to where it is: {beyond}", remedy + "low and high")
        return green("pose", _places(pipeline))


def _places(pipeline: CommandPipeline) -> str:
    pairs = (
        f"{joint.name} {x:.4f}"
        for interface in pipeline.interfaces
        for joint, x in zip(interface.config.joints, interface.joints.positions, strict=False)
    )
    return f"within bounds: {', '.join(pairs)}"
