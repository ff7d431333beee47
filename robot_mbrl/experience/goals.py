"""What experience is worth under another goal than the one that held: arrivals judged anew, many at once."""

from collections.abc import Mapping

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.tasks.task import GoalTask

GOAL, OBSERVATION = "goal.", "observation."
"""What the names of fields in a row begin with."""


class GoalJudge:
    """A task's achieved-goal map and rewards, on fields of replay's rows."""

    def __init__(self, config: RunConfig) -> None:
        """Make the judge of a run's task, whether it can judge or not."""
        self._config = config
        judge = config.task_class
        self._judge = judge() if judge is not None else None
        self._goal = {f"{GOAL}{name}": vector for name, vector in config.goal_spec().items()}
        vectors = config.observation_spec().vectors.items()
        self._vectors = {f"{OBSERVATION}{name}": vector for name, vector in vectors}

    def check(self) -> None:
        """See that the task can be judged by another goal from what replay holds.

        Raises:
            ConfigError: if it cannot; it says why.
        """
        if not self._goal:
            raise self._refusal("its YAML declares no goal")
        known = {element for vector in (self._vectors | self._goal).values() for element in vector.names}
        if unseen := sorted(set(self._task.reads) - known):
            raise self._refusal(f"it judges by {unseen}, which the agent does not observe; add them to observe")
        if computed := sorted(self._config.computed_spec().keys() & set(self._config.task.observe)):
            raise self._refusal(f"the agent observes {computed}, computed by the goal that held; leave them out")
        if self._config.task.action_repeat > 1:
            raise self._refusal("with an action_repeat, rewards are sums over control periods that nobody keeps")

    @property
    def _task(self) -> GoalTask:
        if not isinstance(self._judge, GoalTask):
            raise self._refusal(f"task class {self._config.task.task!r} has no achieved goals (tasks.task.GoalTask)")
        return self._judge

    def _refusal(self, reason: str) -> ConfigError:
        return ConfigError(
            f"task {self._config.task.name}: the agent relabels goals, and this task cannot be judged by another one: "
            f"{reason}"
        )

    def achieved(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The goals that arrivals would have fulfilled.

        Args:
            fields: of rows, (..., size) each.

        Returns:
            By field of the goal (`goal.<name>`), float32, (..., size).
        """
        reached = self._task.achieved(self._values(fields))
        return {
            name: np.stack([reached[element] for element in vector.names], -1).astype(np.float32)
            for name, vector in self._goal.items()
        }

    def rewards(self, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """What arrivals are worth by the goals that the fields name, float32, (...)."""
        return self._task.rewards(self._values(fields)).astype(np.float32)

    def _values(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Values by the names of their elements, float64: tasks judge in double precision."""
        groups = (self._vectors | self._goal).items()
        return {
            element: fields[name][..., place].astype(float)
            for name, vector in groups
            for place, element in enumerate(vector.names)
        }
