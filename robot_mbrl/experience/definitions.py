"""Definitions of the ROS 2 message types that sessions hold, as MCAP stores them beside the messages.

Those of steps are the public interfaces of ROS 2's common_interfaces without comments, which lets a computer without
ROS write sessions that every ROS tool reads. Others are made from what the installed packages say of their fields.
"""

import re
from collections.abc import Callable, Mapping

_TIME = """int32 sec
uint32 nanosec"""
_HEADER = """builtin_interfaces/Time stamp
string frame_id"""
_STAMPED = {"std_msgs/Header": _HEADER, "builtin_interfaces/Time": _TIME}


def _definition(own: str, parts: dict[str, str]) -> str:
    """A definition with those of the types it is made of, in the format of MCAP's `ros2msg` encoding."""
    separator = "=" * 80
    return "\n".join([own, *(f"{separator}\nMSG: {name}\n{text}" for name, text in parts.items())])


DEFINITIONS = {
    "sensor_msgs/msg/JointState": _definition(
        """std_msgs/Header header
string[] name
float64[] position
float64[] velocity
float64[] effort""",
        _STAMPED,
    ),
    "sensor_msgs/msg/Image": _definition(
        """std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data""",
        _STAMPED,
    ),
    "diagnostic_msgs/msg/DiagnosticArray": _definition(
        """std_msgs/Header header
diagnostic_msgs/DiagnosticStatus[] status""",
        {
            **_STAMPED,
            "diagnostic_msgs/DiagnosticStatus": """byte OK=0
byte WARN=1
byte ERROR=2
byte STALE=3
byte level
string name
string message
string hardware_id
diagnostic_msgs/KeyValue[] values""",
            "diagnostic_msgs/KeyValue": """string key
string value""",
        },
    ),
}
"""Full text by type name."""


_PRIMITIVES = {"double": "float64", "float": "float32", "boolean": "bool", "octet": "byte"}
"""Of the names that IDL gives to primitive types, those that message files call otherwise."""
_SEQUENCE = re.compile(r"sequence<(?P<of>.+?)(, (?P<most>\d+))?>")
_ARRAY = re.compile(r"(?P<of>.+)\[(?P<count>\d+)\]")
_BOUNDED_STRING = re.compile(r"(?P<of>w?string)<(?P<most>\d+)>")


def define(type_name: str, fields_of: Callable[[str], Mapping[str, str]]) -> str:
    """The definition of a message type, made from the fields of its parts.

    Args:
        type_name: such as sensor_msgs/msg/JointState.
        fields_of: gives the fields of a type such as sensor_msgs/JointState, each with its type in IDL's words, as
            `get_fields_and_field_types` of ROS 2's Python classes does.
    """
    own = type_name.replace("/msg/", "/")
    parts: dict[str, str] = {}
    waiting = [own]
    while waiting:
        name = waiting.pop(0)
        if name not in parts:
            fields = {field: _written(kind) for field, kind in fields_of(name).items()}
            parts[name] = "\n".join(f"{kind} {field}" for field, kind in fields.items())
            waiting += [base for kind in fields.values() if "/" in (base := kind.partition("[")[0])]
    return _definition(parts.pop(own), parts)


def _written(kind: str) -> str:
    """A field's type as message files write it."""
    if match := _SEQUENCE.fullmatch(kind):
        return f"{_written(match['of'])}[{'<=' + match['most'] if match['most'] else ''}]"
    if match := _ARRAY.fullmatch(kind):
        return f"{_written(match['of'])}[{match['count']}]"
    if match := _BOUNDED_STRING.fullmatch(kind):
        return f"{match['of']}<={match['most']}"
    return _PRIMITIVES.get(kind, kind)
