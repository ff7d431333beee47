"""The exceptions a user may meet: each message names the thing that is wrong and its remedy."""

USER_ERROR = 2
"""Exit code of a command or a node that was told something wrong, which the user can mend."""


class RobotMbrlError(Exception):
    """Base of every error that is the user's to mend; the command line prints it without a stack trace."""


class ConfigError(RobotMbrlError):
    """A YAML file or an option is missing, malformed or contradicts another."""


class MessageError(RobotMbrlError):
    """A message lacks a field or carries one that cannot be used."""


class NonFiniteError(MessageError):
    """A message is well formed, but a value in it is not finite: its sender can no longer be trusted."""


class BundleError(RobotMbrlError):
    """A policy bundle is corrupted, foreign, does not fit the robot or misbehaves."""


class LatchedError(RobotMbrlError):
    """The guard has stopped a robot for good, and nobody is there to release it."""


class ExperienceError(RobotMbrlError):
    """Recorded experience is damaged or does not fit the task."""


class CheckpointError(RobotMbrlError):
    """A checkpoint is damaged or was written by another run or preset."""
