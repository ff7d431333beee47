"""A layout of PlotJuggler: tabs of plots, in XML.

PlotJuggler names a series by topic and element, in a DiagnosticArray by hardware, status and key; words are no curves.
"""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element as Node
from xml.etree.ElementTree import SubElement

from robot_mbrl.views.panels import Element, Overview, Panel, Signal

MAIN_WINDOW = "Main Window"
"""The only name of a group of tabs that PlotJuggler can load."""
STREAMER = "ROS2 Topic Subscriber"
COLOURS = ("#1f77b4", "#d62728", "#1ac938", "#ff7f0e", "#f14cc1", "#9467bd", "#17becf", "#bcbd22")
COLUMNS = 2
MARGIN = 0.1
"""Share of a joint's range that a plot shows beyond its limits."""


def write_plotjuggler(overview: Overview) -> bytes:
    """The layout as the XML file that PlotJuggler loads."""
    root = Node("root")
    window = SubElement(root, "tabbed_widget", {"name": MAIN_WINDOW, "parent": "main_window"})
    for name, panels in (("Learning", overview.learning), ("Robot", overview.robot), ("Joints", overview.joints)):
        _tab(window, name, panels)
    SubElement(window, "currentTabIndex", index="0")
    plugin = SubElement(SubElement(root, "Plugins"), "plugin", ID=STREAMER)
    streamed = dict.fromkeys(signal.topic for panel in overview.panels for signal in panel.signals)
    for setting, value in {
        "use_header_stamp": "false",
        "discard_large_arrays": "true",
        "max_array_size": "100",
        "boolean_strings_to_number": "true",
        "remove_suffix_from_strings": "false",
        "selected_topics": ";".join(streamed),
    }.items():
        SubElement(plugin, setting, value=value)
    SubElement(root, "previouslyLoaded_Streamer", name=STREAMER)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def series(signal: Signal) -> str:
    """What PlotJuggler calls a figure."""
    if isinstance(signal, Element):
        return f"{signal.topic}/{signal.name}/{signal.field}"
    return f"{signal.topic}/{signal.hardware}/{signal.status}/{signal.key}"


def _tab(window: Node, name: str, panels: Sequence[Panel]) -> None:
    container = SubElement(SubElement(window, "Tab", tab_name=name, containers="1"), "Container")
    columns = [column for start in range(COLUMNS) if (column := panels[start::COLUMNS])]
    row = _splitter(container, "|", len(columns))
    for column in columns:
        below = _splitter(row, "-", len(column))
        for panel in column:
            _plot(SubElement(below, "DockArea", name=panel.title), panel)


def _splitter(parent: Node, orientation: str, count: int) -> Node:
    sizes = ";".join([f"{1.0 / count:.6f}"] * count)
    return SubElement(parent, "DockSplitter", orientation=orientation, count=str(count), sizes=sizes)


def _plot(area: Node, panel: Panel) -> None:
    plot = SubElement(area, "plot", mode="TimeSeries", style="Lines", flip_x="false", flip_y="false")
    values = [value for _, value in panel.levels]
    if len(values) > 1:
        # It draws no lines of its own: the edges of the plot tell where the limits are.
        margin = MARGIN * (max(values) - min(values))
        SubElement(plot, "limitY", min=f"{min(values) - margin:g}", max=f"{max(values) + margin:g}")
    for index, signal in enumerate(panel.signals):
        SubElement(plot, "curve", name=series(signal), color=COLOURS[index % len(COLOURS)])
