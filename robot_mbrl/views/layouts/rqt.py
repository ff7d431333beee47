"""A perspective of rqt: plots, pictures, health and log.

rqt evaluates each value as a Python literal, and plots elements of a JointState by their index.
"""

import json
from collections.abc import Mapping
from typing import Any

from robot_mbrl.views.panels import Element, Overview

PLOT, PICTURE = "rqt_plot/Plot", "rqt_image_view/ImageView"
HEALTH, LOG = "rqt_runtime_monitor/RuntimeMonitor", "rqt_console/Console"


def write_rqt(overview: Overview) -> bytes:
    """The perspective as the JSON file that rqt opens."""
    settings: dict[str, list[dict[str, Any]]] = {PLOT: [], PICTURE: [], HEALTH: [{}], LOG: [{}]}
    for panel in overview.panels:
        fields = [plotted(signal) for signal in panel.signals if isinstance(signal, Element)]
        if fields:
            # A single field is no list, by rqt's own rule.
            topics = fields if len(fields) > 1 else fields[0]
            settings[PLOT].append({"topics": topics, "autoscroll": True, "plot_type": 1})
    for topic in (*overview.pictures, overview.prediction):
        settings[PICTURE].append({"topic": topic, "zoom1": False, "dynamic_range": False})
    running = {name: list(range(1, len(instances) + 1)) for name, instances in settings.items()}
    plugins = {
        f"plugin__{name.replace('/', '__')}__{number}": _group({}, plugin=_group(values))
        for name, instances in settings.items()
        for number, values in enumerate(instances, 1)
    }
    perspective = _group({}, pluginmanager=_group({"running-plugins": running}, **plugins))
    return json.dumps(perspective, indent=2).encode() + b"\n"


def plotted(signal: Element) -> str:
    """What rqt_plot calls an element."""
    return f"{signal.topic}/{signal.field}[{signal.index}]"


def _group(values: Mapping[str, Any], **groups: Any) -> dict[str, Any]:
    return {"keys": {key: {"type": "repr", "repr": repr(value)} for key, value in values.items()}, "groups": groups}
