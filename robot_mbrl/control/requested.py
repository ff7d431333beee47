"""What is requested of a topic's joints on its way to their limits: smoothed, where the robot's YAML says so."""

from collections.abc import Mapping, Sequence

from robot_mbrl.command_config import CommandConfig
from robot_mbrl.control.low_pass import LowPass
from robot_mbrl.control.shaping import clamp


class Requests:
    """The filters of one command topic, which begin anew where each move of a policy begins.

    Call order: `smooth` for each command that carries out a request; `rest` for each that does something else.
    """

    def __init__(self, config: CommandConfig) -> None:
        """Begin at rest.

        Args:
            config: the topic's joints, and their filter if they have one.
        """
        self._config = config
        self._filters = [LowPass(config.filter, 0.0) for _ in config.joints] if config.filter is not None else []
        self._resting = True

    @property
    def smooths(self) -> bool:
        """Whether requests are filtered at all."""
        return bool(self._filters)

    def rest(self) -> None:
        """Forget what was requested: the next request is approached from rest."""
        self._resting = True

    def smooth(self, requested: Sequence[float | None], newest: Sequence[float], dt_s: float) -> Sequence[float | None]:
        """What is to be approached now.

        Args:
            requested: by joint, in the command's units; None for one that is to stay where it is.
            newest: the newest commands.
            dt_s: for how long that was requested.
        """
        if not self._filters:
            return requested
        if self._resting:
            self._resting = False
            for low_pass, value in zip(self._filters, newest, strict=True):
                low_pass.reset(value)
        return [self._smooth(index, value, newest[index], dt_s) for index, value in enumerate(requested)]

    def _smooth(self, index: int, requested: float | None, newest: float, dt_s: float) -> float | None:
        low_pass, joint = self._filters[index], self._config.joints[index]
        if requested is None:
            low_pass.reset(newest)
            return None
        # It overshoots a little where a request leaps.
        return clamp(low_pass.advance(requested, dt_s), joint.low, joint.high)


def by_joint(config: CommandConfig, requested: Mapping[str, float]) -> list[float | None]:
    """Requests in order of the config's joints; None for one that is not named."""
    return [requested.get(joint.name) for joint in config.joints]
