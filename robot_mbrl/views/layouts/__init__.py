"""Layouts of a run for the tools that people watch ROS with, each in the tool's own format."""

from collections.abc import Callable
from dataclasses import dataclass

from robot_mbrl.views.layouts.foxglove import write_foxglove
from robot_mbrl.views.layouts.plotjuggler import write_plotjuggler
from robot_mbrl.views.layouts.rerun import write_rerun
from robot_mbrl.views.layouts.rqt import write_rqt
from robot_mbrl.views.layouts.rviz import write_rviz
from robot_mbrl.views.panels import Overview


@dataclass(frozen=True)
class Layout:
    """How a tool's file is made, and opened."""

    write: Callable[[Overview], bytes]
    suffix: str
    opened: str
    """What a person does with the file, `{file}`, of a robot whose namespace is `{space}`."""


_IMPORT = "in the app: connect to foxglove_bridge, then Layouts, Import from file, {file}"
LAYOUTS = {
    "foxglove": Layout(write_foxglove, "foxglove.json", _IMPORT),
    "lichtblick": Layout(write_foxglove, "lichtblick.json", _IMPORT),
    "plotjuggler": Layout(write_plotjuggler, "plotjuggler.xml", "ros2 run plotjuggler plotjuggler --layout {file}"),
    "rviz": Layout(write_rviz, "rviz", "rviz2 -d {file} --ros-args -r /tf:={space}/tf"),
    "rqt": Layout(write_rqt, "perspective", "rqt --perspective-file {file}"),
    "rerun": Layout(write_rerun, "rbl", "rerun RUN/bags/*.mcap {file}"),
}
"""By the tool's name; Foxglove and Lichtblick read the same file."""
