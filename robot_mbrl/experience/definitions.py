"""Definitions of the ROS 2 message types that sessions hold, as MCAP stores them beside the messages.

They are the public interfaces of ROS 2's common_interfaces without comments, which lets a computer without ROS write
sessions that every ROS tool reads.
"""

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
