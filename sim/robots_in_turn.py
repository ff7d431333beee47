"""Several simulated robots as one, which one model learns: an episode of each in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.control.episodes import new_session
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.run_config import task_flag
from robot_mbrl.several import observed_values
from robot_mbrl.steps import Action, Observation, StepKey
from robot_mbrl.variety import NONE, Variety
from sim.in_process import InProcessRobot
from sim.worlds.world import Stance


class RobotsInTurn:
    """A robot that waits for its policy; see `sim.in_process.InProcessRobot` for the order of calls.

    What it observes is laid out as `several` says; of a requested action, each robot gets the elements that it has, and
    of the applied one the surplus is 0. Its stamps count steps, whatever time those of the robots take.

    Attributes:
        config: the run that it is the robot of.
    """

    def __init__(self, config: RunConfig, *, seed: int = 0, evaluate: bool = False, variety: Variety = NONE) -> None:
        """Build every robot's world.

        Args:
            config: a run of `load_several`.
            seed: of the starts, and of which robot comes first.
            evaluate: whether every episode is lived in evaluate mode, instead of every few as the tasks say.
            variety: how the worlds differ from episode to episode.

        Raises:
            WorldError: if a task's world does not exist or does not fit its robot, or a robot cannot be pushed.
        """
        self.config = config
        self._robots: Sequence[InProcessRobot] = [
            InProcessRobot(member, seed=seed, evaluate=evaluate, variety=variety) for member in config.members
        ]
        self._names = [element.name for element in observed_values(config.members)]
        self._own = [frozenset(member.observation_spec().element_names) for member in config.members]
        self._flags = [task_flag(member.task.name) for member in config.members]
        self._size = config.action_spec().size
        self._step_ns = round(config.step_s * NANOSECONDS)
        self.restart(seed)

    def restart(self, seed: int, session: str | None = None) -> None:
        """Begin a new life of every robot, as if built anew.

        Args:
            seed: of the starts. Which robot comes first hangs by it, so that a run that is often resumed favours none.
            session: id of the session; None for a new one.
        """
        for robot in self._robots:
            robot.restart(seed)
        self._turn = seed % len(self._robots)
        self._session, self._stamp_ns = session or new_session(), 0
        self._observation: Observation | None = None

    @property
    def control_steps(self) -> int:
        """Control periods acted in, in this life, by all of them."""
        return sum(robot.control_steps for robot in self._robots)

    @property
    def latched(self) -> str:
        """Which of them the guard has stopped for good, and why; empty while it has stopped none."""
        stops = {robot.config.task.name: robot.latched for robot in self._robots}
        return "; ".join(f"{name}: {why}" for name, why in stops.items() if why)

    def pose(self) -> dict[str, float]:
        """Where every joint is of the robot whose turn it is, rad or m, by name."""
        return self._robots[self._turn].pose()

    def poses(self) -> Mapping[str, Stance]:
        """Where everything is that moves about in its world, by name."""
        return self._robots[self._turn].poses()

    def observe(self) -> Observation:
        """The present observation; the same until `apply` is called."""
        if self._observation is None:
            self._stamp_ns += self._step_ns
            seen = self._robots[self._turn].observe()
            own = self._own[self._turn]
            values = {name: seen.values[name] if name in own else 0.0 for name in self._names}
            values |= {flag: float(index == self._turn) for index, flag in enumerate(self._flags)}
            key = StepKey(self._session, self._stamp_ns)
            self._observation = replace(seen, key=key, values=values, images={}, ages_s={})
        return self._observation

    def apply(self, action: Action | None) -> Action:
        """Live through the step that begins at the present observation; after an episode the next robot has its turn.

        Args:
            action: what the policy requests; None if it requests nothing, as after the last observation of an episode.

        Returns:
            What was applied.
        """
        observation, robot = self.observe(), self._robots[self._turn]
        if action is not None:
            size = robot.config.action_spec().size
            action = replace(action, key=robot.observe().key, values=action.values[:size])
        applied = robot.apply(action)
        self._observation = None
        if observation.is_last:
            self._turn = (self._turn + 1) % len(self._robots)
        padded = np.zeros(self._size, np.float32)
        padded[: applied.values.size] = applied.values
        return replace(applied, key=observation.key, values=padded)

    def photograph(self) -> np.ndarray:
        """A picture of the world of the robot whose turn it is, uint8, shape (height, width, 3)."""
        return self._robots[self._turn].photograph()

    def close(self) -> None:
        """Close every world."""
        for robot in self._robots:
            robot.close()
