"""A config of RViz: the robot's pictures, and what the world model expects beside them."""

from typing import Any

import yaml

from robot_mbrl.views.panels import Overview

DEPTH = 1
TITLE = "robot-mbrl"


def write_rviz(overview: Overview) -> bytes:
    """The config as the YAML file that RViz opens."""
    pictures = [(topic.rpartition("/")[2], topic) for topic in overview.pictures]
    displays = [_image(name, topic) for name, topic in (*pictures, ("prediction", overview.prediction))]
    config = {
        "Panels": [{"Class": "rviz_common/Displays", "Name": "Displays"}],
        "Visualization Manager": {
            "Class": "",
            "Displays": displays,
            "Enabled": True,
            "Global Options": {"Fixed Frame": overview.namespace.strip("/"), "Frame Rate": 10},
            "Name": TITLE,
            "Tools": [{"Class": "rviz_default_plugins/MoveCamera"}],
            "Views": {"Current": {"Class": "rviz_default_plugins/Orbit", "Name": "Current View"}, "Saved": None},
        },
        "Window Geometry": {name: {"collapsed": False} for name in ("Displays", *(d["Name"] for d in displays))},
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


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
