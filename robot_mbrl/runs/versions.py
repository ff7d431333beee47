"""Versions of what a run is made with, so that a report can name them long after they were replaced."""

import platform
from importlib.metadata import PackageNotFoundError, version

from robot_mbrl import __version__

PACKAGES = (
    *("dm-control", "gymnasium", "mcap", "mujoco", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "pybullet"),
    *("pydantic", "ros-rclpy", "ruckig", "torch"),
)
"""Whose versions may change what comes of a run."""


def versions() -> dict[str, str]:
    """Versions by name: the project's, Python's, the system's, and those of what is installed of `PACKAGES`."""
    found = {"robot-mbrl": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
