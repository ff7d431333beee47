"""Slow moves of a robot whose policy does not drive it: home, back inside its bounds, one joint a little."""

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.asked import AskedMove
from robot_mbrl.control.jogging import Jogging
from robot_mbrl.control.pipeline import CommandPipeline, Motion
from robot_mbrl.control.watch import Watch


class Moves:
    """Begins such moves as they are asked for, and ends them; used by the guard alone.

    Attributes:
        jogging: the move of one joint.
    """

    def __init__(self, robot: RobotConfig, pipeline: CommandPipeline, watch: Watch, *, shadow: bool) -> None:
        """Begin without one; see `Guard`."""
        self._pipeline, self._watch, self._shadow = pipeline, watch, shadow
        self._asked = AskedMove()
        self.jogging = Jogging(robot, pipeline, watch, self._asked, shadow=shadow)

    @property
    def goes_home(self) -> bool:
        """Whether the robot is on its way home."""
        return self._asked.goes_on(Motion.HOME, self._watch.now_s)

    @property
    def bring_back_refusal(self) -> str:
        """Why joints that are out of bounds are not being moved back although it is asked for; empty if they are."""
        if self._asked.called_off:
            return f"called off: {self._asked.called_off}"
        return self._watch.bring_back_hindrance()

    def home(self) -> bool:
        """Ask for the way home; returns whether the robot is there. See `Guard.home`."""
        if self._shadow:
            return True
        watch, pipeline = self._watch, self._pipeline
        if not watch.between_episodes() or not watch.may_reset or not pipeline.has_home:
            return False
        self._asked.ask(Motion.HOME, watch.now_s)
        return pipeline.is_home()

    def bring_back(self) -> bool:
        """Ask for the way back inside; returns whether every joint is. See `Guard.bring_back`."""
        watch, pipeline = self._watch, self._pipeline
        if pipeline.is_measured and not (pipeline.out_of_bounds() or pipeline.out_of_range()):
            self._asked.end()
            return True
        if self._asked.ask(Motion.BRING_BACK, watch.now_s, watch.bring_back_hindrance()):
            # It moves by this person's word alone; the policy needs another.
            watch.revoke("brought back")
        return False

    def call_off(self, why: str) -> None:
        """End the move that is asked for, for as long as the asking goes on."""
        self._asked.call_off(why, self._watch.now_s)

    def begin_episode(self) -> None:
        """End the way home: the robot is observed."""
        if self.goes_home:
            self._asked.end()

    def follow(self) -> None:
        """End what something hinders, or has led where it was to lead."""
        watch = self._watch
        if self._asked.goes_on(Motion.BRING_BACK, watch.now_s) and (hindrance := watch.bring_back_hindrance()):
            self._asked.call_off(hindrance, watch.now_s)
        self.jogging.follow(watch.now_s)

    def motion(self) -> Motion:
        """What the robot is to do while no action is carried out."""
        watch = self._watch
        if self.goes_home and watch.may_reset:
            return Motion.HOME
        if self._asked.goes_on(Motion.BRING_BACK, watch.now_s) and not watch.bring_back_hindrance():
            return Motion.BRING_BACK
        if self._asked.goes_on(Motion.JOG, watch.now_s):
            return Motion.JOG
        return Motion.STOP if watch.machine.reason is not None else Motion.REST
