"""Names the ROS graph agrees on: topics in the robot's namespace and the reserved elements of their messages."""

OBSERVATION = "observation"
ACTION = "action"
APPLIED_ACTION = "applied_action"
POLICY = "policy"
BUNDLE = "bundle"
ENABLE = "enable"
EMERGENCY_STOP = "emergency_stop"
TELEOP = "teleop"
"""JointState, of a person's stick: an action by name, in action units. It counts only while `takeover` is held."""
TAKEOVER = "takeover"
"""std_msgs/Bool, the dead-man switch of a person who takes over from the policy, sent at 5 Hz or more while held."""
GOAL = "goal"
FEEDBACK = "feedback"
METRICS = "metrics"
EPISODE = "episode"
"""JointState, of the monitor node, latched: the newest finished episode, its return first (`EPISODE_ELEMENTS`)."""
NEWEST_STEP = "newest_step"
"""JointState, of the monitor node, for displays: the newest step by name, some times a second while one listens."""
PREDICTION = "prediction"
GUARD = "guard"
STATE = "state"
"""std_msgs/String, of the actuator node, latched: `disabled`, `resetting`, `moving`, `stopped: REASON` or
`latched: REASON`."""
SHADOW = " (shadow)"
"""How `state` ends where nothing is sent to the driver."""
MOVING = "moving"
"""std_msgs/Bool, of the actuator node, latched: whether commands may move the robot now. For lamps."""
DIAGNOSTICS = "/diagnostics"
STEP_ALLOWANCE = "step_allowance"
"""std_msgs/Int64, from the learner: robot steps that lockstep simulation may have taken."""

RESET = "reset"
"""std_srvs/Trigger, of the simulator or of whatever resets the scene. A simulator answers with the simulated time of
the reset, in nanoseconds as a decimal number, in `message`: readings stamped later are of the new start."""
START_EPISODE = "~/start_episode"
"""std_srvs/Trigger, of the sensor node: a person has reset the scene."""
RESET_STOP = "~/reset_stop"
"""std_srvs/Trigger, of the actuator node: a person releases a latched stop."""
BRING_BACK = "~/bring_back"
"""std_srvs/Trigger, of the actuator node: moves joints that are out of bounds slowly back inside, for a second after
each request; succeeds once they are."""
JOG = "~/jog"
"""JointState, to the actuator node: one joint and how far it is to be moved slowly, rad or m. Repeated under the same
stamp it goes on, and stops a second after the last; another stamp is another jog. Its report says what became of it."""
HOME = "home"
"""std_srvs/Trigger, of the actuator node: moves slowly to the robot's home; succeeds once it is there, so ask again."""
POSES = "simulated_poses"
"""JointState, of the simulator, for displays: where the robot's base and things are, as NAME.x, .y, .z (m) and .qx,
.qy, .qz, .qw."""
ROBOT_DESCRIPTION = "robot_description"
"""std_msgs/String, of the simulator, latched: the robot's URDF, for displays."""
TF = "tf"
"""tf2_msgs/TFMessage, of a simulator beside an installed ROS that has the type: where each link is, from `world` on, by
the measured joints, at most 30 times a second and only while somebody listens."""
TRANSFORMS = "transforms"
"""geometry_msgs/TransformStamped, the same of a simulator on the wheels, which lack that type: a message per link."""
IMAGINED = "imagined"
"""trajectory_msgs/JointTrajectory, of the learner, at most twice a second and only while somebody listens: the observed
values by name, now and as the world model expects them step by step for a second, if its policy goes on."""
MARKERS = "markers"
"""visualization_msgs/MarkerArray, of the monitor, for displays, while somebody listens: the goal (`goal`), bounds on
the ground (`bounds`), what is expected of the next second (`way`), and the robot as it is expected then (`ghost`)."""
SCENE = "scene"
"""visualization_msgs/MarkerArray, of the simulator, while somebody listens: what stands around a robot that moves."""
SHAPED_COMMAND = "~/command"
"""JointState, of the actuator node: the command as it was sent to the driver, by joint name, for whoever subscribes."""
SENT_COMMAND = f"actuator/{SHAPED_COMMAND.removeprefix('~/')}"
"""The same for the robot's other nodes."""


def namespace(robot: str) -> str:
    """The namespace that a robot's nodes are in."""
    return "/" + robot.replace("-", "_")


def image(camera: str) -> str:
    """Topic of the pictures that the policy sees from one camera."""
    return f"{OBSERVATION}/{camera}"


JOINT_STATE = "sensor_msgs/msg/JointState"
IMAGE = "sensor_msgs/msg/Image"
POINT = "geometry_msgs/msg/PointStamped"
LASER_SCAN = "sensor_msgs/msg/LaserScan"

ACTION_PREFIX = "action."
"""How the names of the action's elements begin in `newest_step`, which holds the observation's as well."""
EPISODE_ELEMENTS = ("return", "steps", "solved", "mode", "began_stopped", "policy_version", "robot_steps")
"""Elements of `episode`, in this order."""
METRICS_ELEMENTS = (
    *("robot_steps", "updates", "policy_version", "train_ratio", "owed_updates", "updates_per_s", "paused"),
    *("replay_steps", "resting_steps", "half_steps", "repeated_steps", "not_finite_steps", "bounded_rewards"),
)
"""The first elements of `metrics`, in this order. The agent's own follow, each in its place for the whole run."""

# Reserved names among an observation's elements.
REWARD = "reward"
IS_FIRST = "is_first"
IS_LAST = "is_last"
IS_TERMINAL = "is_terminal"
MODE = "mode"
SUCCESS = "success"
AGE_SUFFIX = "_age_s"

OBSERVATION_RESERVED = frozenset({REWARD, IS_FIRST, IS_LAST, IS_TERMINAL, MODE, SUCCESS})
"""What no observed value may be named, nor end in `AGE_SUFFIX`."""

# Reserved names among the elements of `action` and `applied_action`.
SOURCE = "source"
POLICY_VERSION = "policy_version"
ACTION_RESERVED = frozenset({SOURCE, POLICY_VERSION})
"""What no commanded joint and no choice may be named."""

TYPES = {
    OBSERVATION: JOINT_STATE,
    ACTION: JOINT_STATE,
    APPLIED_ACTION: JOINT_STATE,
    POLICY: "std_msgs/msg/UInt8MultiArray",
    BUNDLE: "std_msgs/msg/String",
    ENABLE: "std_msgs/msg/Bool",
    EMERGENCY_STOP: "std_msgs/msg/Bool",
    TELEOP: JOINT_STATE,
    TAKEOVER: "std_msgs/msg/Bool",
    GOAL: JOINT_STATE,
    FEEDBACK: JOINT_STATE,
    METRICS: JOINT_STATE,
    EPISODE: JOINT_STATE,
    NEWEST_STEP: JOINT_STATE,
    PREDICTION: IMAGE,
    IMAGINED: "trajectory_msgs/msg/JointTrajectory",
    MARKERS: "visualization_msgs/msg/MarkerArray",
    STATE: "std_msgs/msg/String",
    MOVING: "std_msgs/msg/Bool",
    GUARD: "diagnostic_msgs/msg/DiagnosticArray",
    DIAGNOSTICS: "diagnostic_msgs/msg/DiagnosticArray",
    STEP_ALLOWANCE: "std_msgs/msg/Int64",
}
