"""The exception a user of the simulator may meet."""

from robot_mbrl.errors import RobotMbrlError


class WorldError(RobotMbrlError):
    """A world, joint, source or camera that does not exist, or one that cannot be shown on this machine."""
