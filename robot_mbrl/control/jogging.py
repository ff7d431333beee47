"""A person who jogs: asks for one joint's little move again and again, and is told what becomes of it."""

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.asked import AskedMove
from robot_mbrl.control.jog import Jog, begin
from robot_mbrl.control.pipeline import CommandPipeline, Motion
from robot_mbrl.control.watch import Watch

DONE = "done"
LAPSED = "it was not asked for in time: jog anew"


class Jogging:
    """Begins, follows and ends the jog of the pipeline; used by the guard alone.

    Attributes:
        number: of the newest jog that was asked for; 0 before one was.
        told: why the newest jog does not go on: `DONE` once it is; empty while it does.
        contested: why it does not count what is asked for, such as two people at once; empty if all is well.
    """

    def __init__(
        self, robot: RobotConfig, pipeline: CommandPipeline, watch: Watch, asked: AskedMove, *, shadow: bool
    ) -> None:
        """Begin without one; see `Guard`."""
        self.number = 0
        self.told = self.contested = ""
        self._robot, self._pipeline, self._watch, self._asked = robot, pipeline, watch, asked
        self._shadow = shadow
        self._what = ("", 0.0)

    @property
    def start(self) -> float | None:
        """Where the joint was measured when the jog began; None if it has not, or is not measured."""
        return self._pipeline.jog.start if self._pipeline.jog is not None else None

    def ask(self, number: int, joint: str, delta: float, now_s: float, refusal: str = "") -> None:
        """Ask for a jog, or for the one under way to go on; see `Guard.jog`."""
        pipeline, hindrance, self.number = self._pipeline, refusal or self._hindrance(), number
        if pipeline.jog is None or pipeline.jog.number != number or self._what != (joint, delta):
            self.told, self._what = hindrance, (joint, delta)
            pipeline.jog = None if hindrance else self._begin(number, joint, delta, now_s)
        elif not self.told and not self._asked.called_off and not self._asked.goes_on(Motion.JOG, now_s):
            # Where it was to lead is where the robot was then, with all of its joints.
            self.told = LAPSED
        if pipeline.jog is None or self.told in (DONE, LAPSED):
            return
        refusal = pipeline.jog.refusal or hindrance
        if self._asked.ask(Motion.JOG, now_s, refusal):
            # It moves by this person's word alone; the policy needs another.
            self._watch.revoke("jogged")
        self.told = refusal or self._asked.called_off

    def follow(self, now_s: float) -> None:
        """End a jog that has led where it was to lead, or that something hinders."""
        if not self._asked.goes_on(Motion.JOG, now_s):
            return
        if hindrance := self._hindrance():
            self.told = hindrance
            self._asked.call_off(hindrance, now_s)
        elif self._pipeline.is_jogged(now_s):
            self.told = DONE
            self._asked.end()

    def _begin(self, number: int, joint: str, delta: float, now_s: float) -> Jog:
        pipeline = self._pipeline
        return begin(self._robot, number, joint, delta, pipeline.measured, now_s, pipeline.speed_scale)

    def _hindrance(self) -> str:
        """Why nothing may be jogged now: what hinders the way back, and joints that have to go it first."""
        if self.contested:
            return self.contested
        if self._shadow:
            return "nothing is sent to the driver: the robot's side runs with --shadow"
        if self._watch.enabled and not self._watch.between_episodes():
            # Also where it has stopped for a moment: it would go on.
            return "its policy drives the robot: robot-mbrl enable --off first"
        if hindrance := self._watch.bring_back_hindrance():
            return hindrance
        beyond = self._pipeline.out_of_bounds() or self._pipeline.out_of_range()
        return f"{beyond}: robot-mbrl bring-back first" if beyond else ""
