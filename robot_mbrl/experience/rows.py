"""What a replay keeps of a step: one numpy record, and what was seen in the steps that it should not have to bear."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from robot_mbrl.errors import ExperienceError
from robot_mbrl.specs import DEPTH_LIMIT_MM, ActionSpec, ImageSpec, ObservationSpec, VectorSpec
from robot_mbrl.steps import Step


class RowWriter:
    """Fills records from steps.

    Attributes:
        dtype: type of a record.
        not_finite: steps that were refused, by the first field that was not finite.
    """

    def __init__(self, observation: ObservationSpec, action: ActionSpec, goal: Mapping[str, VectorSpec]) -> None:
        """Prepare for steps of these specifications."""
        self._vectors = {f"observation.{name}": vector for name, vector in observation.vectors.items()}
        self._vectors |= {f"goal.{name}": vector for name, vector in goal.items()}
        self.dtype = _row_type(self._vectors, observation.images, action)
        self.not_finite: Counter[str] = Counter()
        self._observation, self._action = observation, action
        # Share of pixels beyond the limit, summed over pictures, and pictures, by camera.
        self._far: dict[str, float] = {name: 0.0 for name, image in observation.images.items() if image.is_depth}
        self._pictures: Counter[str] = Counter()

    def write(self, step: Step) -> np.ndarray | None:
        """A record of a step; None, and counted, if a number in it is not finite.

        Raises:
            ExperienceError: if the step lacks something that the specifications name.
        """
        row = np.zeros((), self.dtype)
        with np.errstate(over="ignore"):  # What float32 cannot hold becomes infinite, and is refused.
            self._fill(row, step)
        names = ("action", "reward", *self._vectors)
        broken = next((name for name in names if not np.isfinite(row[name]).all()), None)
        if broken is not None:
            self.not_finite[broken] += 1
            return None
        for name in self._far:
            self._far[name] += float((row[f"observation.{name}"] > DEPTH_LIMIT_MM).mean())
            self._pictures[name] += 1
        return row

    @property
    def far_shares(self) -> dict[str, float]:
        """Mean share of pixels beyond `DEPTH_LIMIT_MM`, by depth camera."""
        return {name: far / max(1, self._pictures[name]) for name, far in self._far.items()}

    def _fill(self, row: np.ndarray, step: Step) -> None:
        seen, action = step.observation, step.action
        row["stamp_ns"] = seen.key.stamp_ns
        try:
            for name, vector in self._vectors.items():
                row[name] = [seen.values[element] for element in vector.names]
            for name, image in self._observation.images.items():
                picture = seen.images[name]
                if picture.shape != image.shape or picture.dtype != image.dtype:
                    raise ExperienceError(f"picture {name!r} is {picture.dtype}{picture.shape}, not {image.shape}")
                row[f"observation.{name}"] = picture
        except KeyError as error:
            raise ExperienceError(
                f"step {seen.key} has no {error}, which the task observes or has as its goal"
            ) from None
        if action.values.shape != (self._action.size,):
            raise ExperienceError(f"step {seen.key}: action of shape {action.values.shape}, not ({self._action.size},)")
        row["action"] = action.values
        row["reward"] = seen.reward
        row["is_first"], row["is_last"], row["is_terminal"] = seen.is_first, seen.is_last, seen.is_terminal
        row["source"], row["mode"] = action.source, seen.mode
        row["policy_version"] = action.policy_version


def _row_type(
    vectors: Mapping[str, VectorSpec], images: Mapping[str, ImageSpec], action: ActionSpec
) -> np.dtype[np.void]:
    """One record per step: a sample then gathers whole rows, each from one place in memory."""
    fields: list[tuple[str, type[np.generic], tuple[int, ...]]]
    fields = [(name, np.int64, ()) for name in ("stamp_ns", "previous", "run")]
    fields += [("session", np.int32, ()), ("policy_version", np.int32, ())]
    fields += [(name, np.float32, (vector.size,)) for name, vector in vectors.items()]
    fields += [("action", np.float32, (action.size,)), ("prev_action", np.float32, (action.size,))]
    fields += [(name, np.float32, ()) for name in ("reward", "is_first", "is_last", "is_terminal")]
    fields += [("source", np.uint8, ()), ("mode", np.uint8, ())]
    fields += [(f"observation.{name}", image.dtype, image.shape) for name, image in images.items()]
    # Aligned, so that every field can be given to torch as it lies.
    return np.dtype(fields, align=True)
