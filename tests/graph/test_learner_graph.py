"""The learner over real DDS: it learns from what it hears, and killed, goes on from what is on the disk."""

from array import array

import pytest
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Int64, UInt8MultiArray
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.bundles import BundleMetadata
from robot_mbrl.config import load_run, save_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.learner import Learner
from robot_mbrl.messages import read_bundle, read_named, write_key
from robot_mbrl.steps import StepKey
from ros_nodes import qos
from tests.graph.experience_bench import RobotBench
from tests.graph.graph import Graph
from tests.graph.tiny import TINY

LEARNER = "ros_nodes.learner_node"
PREFILL, PRETRAIN, UPDATES_PER_STEP = 20, 4, 2
SCHEDULE = {
    "prefill_steps": PREFILL,
    "pretrain_updates": PRETRAIN,
    "train_ratio": 16.0 * UPDATES_PER_STEP,
    "export_period_s": 0.1,
}
CONFIG = load_run("cartpole", TINY | {f"agent.{name}": value for name, value in SCHEDULE.items()})


class Bench(RobotBench):
    """A robot that also hears what the learner publishes."""

    def __init__(self, graph: Graph) -> None:
        # Which steps are a backlog must not depend on two computers' clocks.
        super().__init__(graph, CONFIG, clock_ahead_s=-3600)
        self.bundles: list[bytes] = []
        self.metrics: dict[str, float] = {}
        self.allowances = graph.collect(Int64, topics.STEP_ALLOWANCE, qos.LATCHED)
        node = graph.node
        node.create_subscription(
            UInt8MultiArray, topics.POLICY, lambda m: self.bundles.append(read_bundle(m)), qos.LATCHED
        )
        node.create_subscription(JointState, topics.METRICS, self._on_metrics, qos.EVENTS)

    def _on_metrics(self, message: JointState) -> None:
        self.metrics = read_named(message)

    def until_settled(self, steps: int, updates: int) -> None:
        """Wait until the learner reports to know so many steps and to have made so many updates."""
        expected = {"robot_steps": steps, "updates": updates}
        self.graph.until(lambda: self.metrics.items() >= expected.items())

    def begin(self) -> None:
        """Live until there is enough to learn from, and ten steps more that are learned from."""
        self.graph.until(lambda: self.heard)
        self.live(PREFILL - 1)
        self.until_settled(PREFILL - 1, 0)
        self.live(10)
        self.until_settled(PREFILL + 9, PRETRAIN + 10 * UPDATES_PER_STEP)

    def pause(self, paused: bool) -> None:
        assert self.graph.call(Trigger, "learner/pause" if paused else "learner/resume").success

    def judge(self, key: StepKey, **labels: float) -> None:
        """Publish labels of a step that is over."""
        feedback = self.graph.publisher(JointState, topics.FEEDBACK, qos.EVENTS)
        self.graph.until(lambda: feedback.get_subscription_count())
        late = JointState(name=list(labels), position=array("d", labels.values()))
        write_key(late, key)
        feedback.publish(late)

    def newest_policy(self) -> BundleMetadata:
        """What the newest bundle says of itself, once it is found sound."""
        return check_bundle(Bundle(self.bundles[-1], "bundle"), CONFIG).metadata

    def policy_of(self, updates: int) -> BundleMetadata:
        """Wait for the policy of so many updates."""
        self.graph.until(lambda: self.bundles and self.newest_policy().updates == updates)
        return self.newest_policy()


@pytest.fixture
def bench(graph) -> Bench:
    return Bench(graph)


@pytest.mark.slow
def test_a_killed_learner_goes_on_with_all_that_was_lived_and_newer_policies(graph, bench, tmp_path):
    config = tmp_path / "config.yaml"
    save_run(CONFIG, config)
    graph.start(LEARNER, config=str(config), run_dir=str(tmp_path), lockstep=True)
    bench.begin()
    graph.until(lambda: bench.allowances[-1].data == PREFILL + 10)
    graph.until(lambda: bench.bundles)
    before = bench.newest_policy()

    bench.pause(True)
    bench.live(5)
    bench.until_settled(PREFILL + 14, PRETRAIN + 10 * UPDATES_PER_STEP)
    bench.pause(False)
    bench.live_unobserved()
    bench.live(1)
    bench.until_settled(PREFILL + 15, PRETRAIN + 11 * UPDATES_PER_STEP)
    graph.kill(LEARNER)

    # Its only checkpoint is the one of its beginning; what was lived lies in the robot's files and writers.
    with StepWriter(tmp_path / "bags", CONFIG.action_spec(), "/cartpole") as writer:
        for step in bench.lived[:25]:
            writer.write(step)
    bench.bundles.clear()
    graph.start(LEARNER, config=str(config), run_dir=str(tmp_path))
    # A robot that has nothing to drive with by now gets a policy all the same.
    bench.until_settled(PREFILL + 15, PRETRAIN)
    bench.live(3)
    bench.until_settled(PREFILL + 18, PRETRAIN + 3 * UPDATES_PER_STEP)
    after = bench.policy_of(PRETRAIN + 3 * UPDATES_PER_STEP)
    assert after.run_id == before.run_id
    assert after.version > before.version
    assert (tmp_path / "policy.onnx").read_bytes() == bench.bundles[-1]


@pytest.mark.slow
def test_a_learner_takes_orders_and_verdicts_and_keeps_all_of_it_when_it_is_stopped(graph, bench, tmp_path):
    config = tmp_path / "config.yaml"
    save_run(CONFIG, config)
    graph.start(LEARNER, config=str(config), run_dir=str(tmp_path))
    bench.begin()

    # A person may order what is due by itself only later, and judge what is over.
    newest = bench.policy_of(PRETRAIN + 10 * UPDATES_PER_STEP)
    version = graph.call(Trigger, "learner/export").message
    assert version.startswith(f"policy version {newest.version + 1} after ")
    assert graph.call(Trigger, "learner/checkpoint").message.endswith(str(tmp_path / "checkpoints"))
    judged = bench.lived[-2].observation
    bench.judge(judged.key, reward=3.0)

    # Whoever wants to see what the model expects is shown it, once an episode is long enough.
    pictures = graph.collect(Image, topics.PREDICTION, qos.EVENTS)
    bench.live(60)
    steps, updates = PREFILL + 69, PRETRAIN + 70 * UPDATES_PER_STEP
    bench.until_settled(steps, updates)
    graph.until(lambda: pictures)
    assert pictures[0].encoding == "rgb8"
    assert graph.stop(LEARNER) == 0

    # A learner asked to stop writes a checkpoint of all it has.
    counters = checkpoint.load(tmp_path / "checkpoints", CONFIG).state["counters"]
    assert (counters["robot_steps"], counters["updates"]) == (steps, updates)
    replay = Learner.resume(CONFIG, tmp_path).replay
    row, stamp_ns = replay.find(judged.key)
    assert stamp_ns == judged.key.stamp_ns
    assert replay.rows["reward"][row] == pytest.approx(judged.reward + 3.0)


@pytest.mark.slow
def test_two_robots_of_a_kind_live_for_one_learner_which_gives_both_its_policies(graph, bench, tmp_path):
    config, right = tmp_path / "config.yaml", f"{graph.namespace}_right"
    save_run(CONFIG, config)
    other = RobotBench(graph, CONFIG, clock_ahead_s=3600, space=right)
    given = graph.collect(UInt8MultiArray, f"{right}/{topics.POLICY}", qos.LATCHED)
    graph.start(LEARNER, config=str(config), run_dir=str(tmp_path), robots=right)
    graph.until(lambda: bench.heard and other.heard, patience_s=150.0)
    # In turn, so that each one's steps come between the other's.
    for _ in range(PREFILL):
        bench.live(1)
        other.live(1)
    # Those that came before the learner's ears were all open are a backlog, which owes no updates.
    known = {"robot_steps": 2.0 * PREFILL, "half_steps": 0.0}
    graph.until(lambda: bench.metrics.items() >= known.items() and bench.metrics["updates"] > 0, patience_s=150.0)
    graph.until(lambda: bench.bundles and given, patience_s=150.0)
    check_bundle(Bundle(read_bundle(given[-1]), "bundle"), CONFIG)
