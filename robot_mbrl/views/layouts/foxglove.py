"""A layout of Foxglove and Lichtblick: panels by id, and how they divide the window.

Written in the classic form, which both import. Elements of a JointState are named by their index, since the filters of
message paths see the fields of one element only; figures of a DiagnosticArray by their key.
"""

import json
from collections.abc import Sequence
from typing import Any

from robot_mbrl.views.panels import WORLD_FRAME, Element, Entry, Overview, Panel, Signal, Text

TAB = "Tab!robot_mbrl"
WORDS = "StateTransitions!words"
SUMMARY, DETAIL = "DiagnosticSummary!nodes", "DiagnosticStatusPanel!guard"
LOG = "RosOut!log"
BODY = "3D!body"
VIEW_M, VIEW_DEG = 4.0, 75.0
"""How far from the world's origin the body is looked at, and how far from straight above."""
LARGE, SMALL = 70, 30
"""Share of the window, in percent, of the plots and of what stands beside them."""

Tree = str | dict[str, Any]
"""A panel's id, or two trees beside or below one another."""


def write_foxglove(overview: Overview) -> bytes:
    """The layout as the JSON file that both tools import."""
    panels: dict[str, dict[str, Any]] = {}
    tabs = [
        _tab("Learning", _plots(panels, "learning", overview.learning)),
        _tab("Robot", _plots(panels, "robot", overview.robot)),
        _tab("Joints", _plots(panels, "joints", overview.joints)),
    ]
    panels[TAB] = {"activeTabIdx": 0, "tabs": tabs}
    panels[WORDS] = {"paths": [_path(word) for word in overview.words], "isSynced": True, "showPoints": False}
    panels[SUMMARY] = {"topicToRender": overview.diagnostics, "minLevel": 0, "pinnedIds": [], "hardwareIdFilter": ""}
    hardware, guard = overview.namespace.strip("/"), f"{overview.namespace}/actuator"
    panels[DETAIL] = {
        "topicToRender": overview.diagnostics,
        "selectedHardwareId": hardware,
        "selectedName": guard,
        "splitFraction": 0.5,
        "collapsedSections": [],
    }
    panels[LOG] = {"searchTerms": [], "minLogLevel": 2, "topicToRender": overview.log}
    pictures = []
    for index, topic in enumerate((*overview.pictures, overview.prediction)):
        panels[f"Image!{index}"] = {"imageMode": {"imageTopic": topic}, "foxglovePanelTitle": topic}
        pictures.append(f"Image!{index}")
    if overview.description is not None:
        panels[BODY] = _body(overview.description, overview.markers)
        pictures.insert(0, BODY)
    beside = _divided("column", [*pictures, SUMMARY, DETAIL, LOG])
    main = _split("column", WORDS, TAB, SMALL // 2)
    layout = {
        "configById": panels,
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": _split("row", main, beside, LARGE),
    }
    return json.dumps(layout, indent=2).encode() + b"\n"


def _body(topic: str, markers: Sequence[str]) -> dict[str, Any]:
    """The robot as its URDF says; where its links are, panels find by the type of the messages that tell it."""
    robot = {
        "layerId": "foxglove.Urdf",
        "instanceId": "robot",
        "label": "robot",
        "visible": True,
        "sourceType": "topic",
        "topic": topic,
        "displayMode": "visual",
        "framePrefix": "",
    }
    grid = {
        "layerId": "foxglove.Grid",
        "instanceId": "grid",
        "label": "grid",
        "visible": True,
        "frameId": WORLD_FRAME,
        "size": 10,
        "divisions": 10,
    }
    return {
        "foxglovePanelTitle": "Body",
        "followTf": WORLD_FRAME,
        "cameraState": {"distance": VIEW_M, "phi": VIEW_DEG, "perspective": True},
        "layers": {"robot": robot, "grid": grid},
        # Of topics that are not named here nothing is shown.
        "topics": {marks: {"visible": True} for marks in markers},
    }


def message_path(signal: Signal | Text) -> str:
    """Where the tools find a figure."""
    if isinstance(signal, Element):
        return f"{signal.topic}.{signal.field}[{signal.index}]"
    if isinstance(signal, Entry):
        return f'{signal.topic}.status[:]{{name=="{signal.status}"}}.values[:]{{key=="{signal.key}"}}.value'
    return f"{signal.topic}.data"


def _tab(title: str, layout: Tree) -> dict[str, Any]:
    return {"title": title, "layout": layout}


def _plots(panels: dict[str, dict[str, Any]], group: str, drawn: Sequence[Panel]) -> Tree:
    """Add a plot per panel; returns how they divide their tab."""
    names = []
    for index, panel in enumerate(drawn):
        name = f"Plot!{group}{index}"
        panels[name] = {
            "title": panel.title,
            "foxglovePanelTitle": panel.title,
            "paths": [_path(signal) for signal in panel.signals] + [_level(*level) for level in panel.levels],
            "xAxisVal": "timestamp",
            "showLegend": True,
            "legendDisplay": "floating",
            "showXAxisLabels": True,
            "showYAxisLabels": True,
            "showPlotValuesInLegend": True,
            "isSynced": True,
            "sidebarDimension": 240,
        }
        names.append(name)
    half = (len(names) + 1) // 2
    if len(names) == 1:
        return names[0]
    return _split("row", _divided("column", names[:half]), _divided("column", names[half:]), 50)


def _path(signal: Signal | Text) -> dict[str, Any]:
    # By when a message came: the stamps of simulated robots and those of the learner are of different clocks.
    return {
        "value": message_path(signal),
        "enabled": True,
        "timestampMethod": "receiveTime",
        "label": signal.label,
    }


def _level(label: str, value: float) -> dict[str, Any]:
    return {"value": f"{value:g}", "enabled": True, "timestampMethod": "receiveTime", "label": label}


def _divided(direction: str, trees: Sequence[Tree]) -> Tree:
    """Trees in equal parts."""
    if len(trees) == 1:
        return trees[0]
    return _split(direction, trees[0], _divided(direction, trees[1:]), round(100 / len(trees)))


def _split(direction: str, first: Tree, second: Tree, percent: int) -> Tree:
    return {"first": first, "second": second, "direction": direction, "splitPercentage": percent}
