"""A config of RViz: the robot's body with goal and ghost, pictures, and what the world model expects beside them."""

from typing import Any

import yaml

from robot_mbrl.views.panels import WORLD_FRAME, Overview

DEPTH = 1
DEPTH_OF_MARKS = 10
"""Goal and ghost come in messages of their own, one after the other."""
TITLE = "robot-mbrl"
FRAME_RATE_HZ = 30
_FRAMES = {"Class": "rviz_default_plugins/TF", "Name": "frames", "Enabled": True, "Value": True, "Show Names": False}


def write_rviz(overview: Overview) -> bytes:
    """The config as the YAML file that RViz opens."""
    pictures = [(topic.rpartition("/")[2], topic) for topic in overview.pictures]
    images = [_image(name, topic) for name, topic in (*pictures, ("prediction", overview.prediction))]
    body = [] if overview.description is None else [_robot(overview.description), _FRAMES]
    marks = [_marks(topic) for topic in overview.markers]
    frame = overview.namespace.strip("/") if overview.description is None else WORLD_FRAME
    config = {
        "Panels": [{"Class": "rviz_common/Displays", "Name": "Displays"}],
        "Visualization Manager": {
            "Class": "",
            "Displays": [*body, *marks, *images],
            "Enabled": True,
            "Global Options": {"Fixed Frame": frame, "Frame Rate": FRAME_RATE_HZ},
            "Name": TITLE,
            "Tools": [{"Class": "rviz_default_plugins/MoveCamera"}],
            "Views": {"Current": {"Class": "rviz_default_plugins/Orbit", "Name": "Current View"}, "Saved": None},
        },
        "Window Geometry": {name: {"collapsed": False} for name in ("Displays", *(d["Name"] for d in images))},
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


def _robot(topic: str) -> dict[str, Any]:
    return {
        "Class": "rviz_default_plugins/RobotModel",
        "Name": "robot",
        "Enabled": True,
        "Value": True,
        "Description Source": "Topic",
        "Description Topic": {
            "Value": topic,
            "Depth": DEPTH,
            "History Policy": "Keep Last",
            "Reliability Policy": "Reliable",
            # It is said once, to late joiners, too.
            "Durability Policy": "Transient Local",
        },
        "Visual Enabled": True,
        "Collision Enabled": False,
    }


def _marks(topic: str) -> dict[str, Any]:
    return {
        "Class": "rviz_default_plugins/MarkerArray",
        "Name": topic.rpartition("/")[2],
        "Enabled": True,
        "Value": True,
        "Namespaces": {},
        "Topic": {
            "Value": topic,
            "Depth": DEPTH_OF_MARKS,
            "History Policy": "Keep Last",
            "Reliability Policy": "Reliable",
            "Durability Policy": "Volatile",
        },
    }


def _image(name: str, topic: str) -> dict[str, Any]:
    return {
        "Class": "rviz_default_plugins/Image",
        "Name": name,
        "Enabled": True,
        "Value": True,
        "Normalize Range": False,
        "Topic": {
            "Value": topic,
            "Depth": DEPTH,
            "History Policy": "Keep Last",
            "Reliability Policy": "Best Effort",
            # Pictures of before are no news, and the writers keep 200 of them.
            "Durability Policy": "Volatile",
        },
    }
