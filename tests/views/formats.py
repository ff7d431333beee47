"""The tools' own rules for their layouts, as their sources state them, and where their figures lie in messages.

Each `read_…` refuses a file that its tool would refuse, and returns what the file names.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import yaml

FOXGLOVE_PANELS = {
    *("3D", "Plot", "StateTransitions", "Image", "DiagnosticSummary", "DiagnosticStatusPanel", "RosOut", "Tab"),
}
"""Types that both Foxglove and Lichtblick know, of those that are used."""
PART = r"\.(\w+)(?:\[(\d+|:)\])?(?:\{(\w+)==\"([^\"]*)\"\})?"
MESSAGE_PATH = re.compile(rf"((?:/\w+)+)((?:{PART})+)")


@dataclass
class Named:
    """What a layout names."""

    figures: list[str] = field(default_factory=list)
    """In the tool's own words."""
    pictures: list[str] = field(default_factory=list)
    """Topics of images."""
    others: list[str] = field(default_factory=list)
    """Further topics."""
    markers: list[str] = field(default_factory=list)
    """Those of them that are MarkerArrays."""


def read_foxglove(content: bytes) -> Named:
    """Of Lichtblick's util/layout.ts and panels: what an import asserts, and which panels there are."""
    layout = json.loads(content)
    panels = layout["configById"]
    assert isinstance(panels, dict)
    assert isinstance(layout["globalVariables"], dict)
    assert isinstance(layout["userNodes"], dict)
    assert isinstance(layout["playbackConfig"]["speed"], int | float)
    assert layout.get("version", 1) == 1
    shown = list(_leaves(layout["layout"], panels))
    assert sorted(shown) == sorted(panels), "each panel is shown once"
    named = Named()
    for name, config in panels.items():
        kind, _, suffix = name.partition("!")
        assert kind in FOXGLOVE_PANELS
        assert suffix
        for path in config.get("paths", ()):
            assert path["timestampMethod"] in ("receiveTime", "headerStamp")
            if not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", path["value"]):
                assert MESSAGE_PATH.fullmatch(path["value"]), path["value"]
                named.figures.append(path["value"])
        if kind == "Plot":
            assert config["xAxisVal"] == "timestamp"
        if kind == "Image":
            named.pictures.append(config["imageMode"]["imageTopic"])
        if kind == "3D":
            assert config["followTf"] == "world"
            layers = config["layers"]
            assert {layer["layerId"] for layer in layers.values()} == {"foxglove.Urdf", "foxglove.Grid"}
            assert all(layer["instanceId"] == key for key, layer in layers.items())
            # Of ThreeDeeRender/renderables/Urdfs.ts: by itself it looks at /robot_description only.
            urdfs = [layer for layer in layers.values() if layer["layerId"] == "foxglove.Urdf"]
            assert [layer["sourceType"] for layer in urdfs] == ["topic"]
            named.others += [layer["topic"] for layer in urdfs]
            # Of ThreeDeeRender/renderables/Markers.ts: hidden unless it is said otherwise.
            assert all(settings["visible"] is True for settings in config["topics"].values())
            named.others += config["topics"]
            named.markers += config["topics"]
        if "topicToRender" in config:
            named.others.append(config["topicToRender"])
    return named


def _leaves(tree: Any, panels: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(tree, dict):
        assert tree["direction"] in ("row", "column")
        assert 0 < tree["splitPercentage"] < 100
        yield from _leaves(tree["first"], panels)
        yield from _leaves(tree["second"], panels)
        return
    yield tree
    for tab in panels[tree].get("tabs", ()):
        yield from _leaves(tab["layout"], panels)


def follow_message_path(path: str, messages: Mapping[str, Any]) -> list[Any]:
    """What a message path of Foxglove finds in the newest message of its topic; filters see one element's fields."""
    match = MESSAGE_PATH.fullmatch(path)
    assert match is not None
    found = [messages[match[1]]]
    for name, index, key, value in re.findall(PART, match[2]):
        found = [getattr(each, name) for each in found]
        if index == ":":
            found = [element for each in found for element in each]
        elif index:
            found = [each[int(index)] for each in found if int(index) < len(each)]
        if key:
            found = [each for each in found if getattr(each, key) == value]
    return found


def read_plotjuggler(content: bytes) -> Named:
    """Of PlotJuggler's mainwindow.cpp, tabbedplotwidget.cpp, plot_docker.cpp and plotwidget.cpp."""
    root = ElementTree.fromstring(content)
    assert root.tag == "root"
    (window,) = root.findall("tabbed_widget")
    assert window.get("name") == "Main Window", "any other name is a null dereference"
    tabs = window.findall("Tab")
    assert tabs
    for tab in tabs:
        assert tab.get("tab_name")
        for container in tab.findall("Container"):
            (splitter,) = container
            _check_splitter(splitter)
    named = Named(figures=[str(curve.get("name")) for curve in root.iter("curve")])
    streamer = root.find("previouslyLoaded_Streamer")
    plugins = {plugin.get("ID"): plugin for plugin in root.iter("plugin")}
    assert streamer is not None
    selected = plugins[streamer.get("name")].find("selected_topics")
    assert selected is not None
    named.others = str(selected.get("value")).split(";")
    for limit in root.iter("limitY"):
        assert float(str(limit.get("min"))) < float(str(limit.get("max")))
    return named


def _check_splitter(element: ElementTree.Element) -> None:
    assert element.tag == "DockSplitter"
    assert element.get("orientation") in ("|", "-")
    children = list(element)
    assert len(children) == int(str(element.get("count")))
    sizes = [float(size) for size in str(element.get("sizes")).split(";")]
    assert len(sizes) == len(children)
    assert abs(sum(sizes) - 1.0) < 1e-3
    for child in children:
        if child.tag == "DockSplitter":
            _check_splitter(child)
        else:
            assert child.tag == "DockArea"
            (plot,) = child
            assert plot.get("mode") == "TimeSeries"
            assert list(plot.iter("curve"))


def plotjuggler_series(topic: str, message: Any) -> Iterator[str]:
    """What PlotJuggler's ros_parser.cpp calls the figures of a JointState or DiagnosticArray."""
    if hasattr(message, "status"):
        for status in message.status:
            hardware = [status.hardware_id] if status.hardware_id else []
            for pair in status.values:
                if _is_number(pair.value):
                    yield "/".join([topic, *hardware, status.name, pair.key])
        return
    for kind in ("position", "velocity", "effort"):
        for name, _ in zip(message.name, getattr(message, kind), strict=False):
            yield f"{topic}/{name}/{kind}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_rqt(content: bytes) -> Named:
    """Of qt_gui's perspective_manager.py and plugin_manager.py, rqt_plot's plot.py and rqt_image_view."""
    perspective = json.loads(content)
    assert perspective.keys() == {"keys", "groups"}
    manager = perspective["groups"]["pluginmanager"]
    running = _value(manager["keys"]["running-plugins"])
    named = Named()
    for plugin, numbers in running.items():
        assert re.fullmatch(r"\w+/\w+", plugin)
        for number in numbers:
            group = manager["groups"][f"plugin__{plugin.replace('/', '__')}__{number}"]
            settings = {key: _value(value) for key, value in group["groups"]["plugin"]["keys"].items()}
            if plugin == "rqt_plot/Plot":
                topics = settings["topics"]
                named.figures += [topics] if isinstance(topics, str) else topics
            if plugin == "rqt_image_view/ImageView":
                named.pictures.append(settings["topic"])
    return named


def _value(entry: Mapping[str, str]) -> Any:
    assert entry["type"] == "repr"
    return ast.literal_eval(entry["repr"])


def follow_rqt(figure: str, messages: Mapping[str, Any]) -> Any:
    """What rqt_plot finds under a name such as /topic/position[3]."""
    match = re.fullmatch(r"((?:/\w+)+)/(\w+)\[(\d+)\]", figure)
    assert match is not None
    return getattr(messages[match[1]], match[2])[int(match[3])]


def read_rviz(content: bytes) -> Named:
    """Of RViz's visualization_manager.cpp and its displays' properties."""
    manager = yaml.safe_load(content)["Visualization Manager"]
    assert manager["Class"] == ""
    assert manager["Global Options"]["Fixed Frame"]
    named = Named()
    for display in manager["Displays"]:
        assert display["Enabled"] is True
        if display["Class"] == "rviz_default_plugins/TF":
            assert manager["Global Options"]["Fixed Frame"] == "world"
            continue
        is_robot = display["Class"] == "rviz_default_plugins/RobotModel"
        if display["Class"] == "rviz_default_plugins/MarkerArray":
            named.markers.append(display["Topic"]["Value"])
            assert display["Namespaces"] == {}, "those that come are shown"
        else:
            assert is_robot or display["Class"] == "rviz_default_plugins/Image"
        topic = display["Description Topic" if is_robot else "Topic"]
        if is_robot:
            assert display["Description Source"] == "Topic"
            assert topic["Durability Policy"] == "Transient Local", "RViz's own is volatile, and it is said once"
        assert topic["Durability Policy"] in ("Volatile", "Transient Local")
        assert topic["Reliability Policy"] in ("Reliable", "Best Effort")
        assert topic["History Policy"] == "Keep Last"
        assert topic["Depth"] >= 1
        others = is_robot or topic["Value"] in named.markers
        (named.others if others else named.pictures).append(topic["Value"])
    return named


READERS = {
    "foxglove": read_foxglove,
    "lichtblick": read_foxglove,
    "plotjuggler": read_plotjuggler,
    "rqt": read_rqt,
    "rviz": read_rviz,
}
