"""Who brings a robot back to a start is asked once, patiently, and only while the robot may move."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import Trigger

from robot_mbrl import topics
from robot_mbrl.config import load_run
from ros_nodes import qos
from ros_nodes.resetting import PERMISSION_S, Resetting
from tests.graph.graph import Graph

NOW_S = 1e9
"""Later than anything that steady time has come to."""
TIMEOUT_S = 60.0


class Scene:
    """A device that resets the scene, in no hurry: it answers when it is told to."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.asked: list[Future] = []
        # So that it can be asked again while it has not answered.
        graph.node.create_service(Trigger, topics.RESET, self._on_reset, callback_group=ReentrantCallbackGroup())
        self._guard = graph.publisher(DiagnosticArray, topics.GUARD, qos.EVENTS)
        self.done: list[str] = []

    async def _on_reset(self, request: Any, response: Any) -> Any:
        self.asked.append(Future())
        response.success, response.message = await self.asked[-1]
        return response

    def resetting(self, *, simulated: bool = True, **task: object) -> Resetting:
        config = load_run("cartpole", {f"task.{name}": value for name, value in task.items()}).task
        resetting = Resetting(self.graph.node, config, self.done.append, simulated=simulated)
        now_s = NOW_S if simulated else time.monotonic()
        self.pursue(resetting, now_s, until=lambda: "waiting for service" not in resetting.message)
        return resetting

    def pursue(self, resetting: Resetting, now_s: float, until: Callable[[], Any]) -> None:
        """Pursue the reset, each time at this moment, until a condition holds."""

        def pursued() -> bool:
            resetting.next_s = None if resetting.next_s is None else min(resetting.next_s, now_s)
            resetting.pursue(now_s)
            return bool(until())

        self.graph.until(pursued)

    def guard_says(self, *, may_reset: bool) -> None:
        """Publish a report, and give it time to be heard."""
        values = [KeyValue(key="may_reset", value=str(may_reset))]
        self._guard.publish(DiagnosticArray(status=[DiagnosticStatus(values=values)]))
        self.graph.serve(0.2)

    def permit(self, resetting: Resetting) -> None:
        """Let the guard allow it until the device is asked."""

        def asked_soon() -> bool:
            self.guard_says(may_reset=True)
            self.try_now(resetting)
            return bool(self.asked)

        self.graph.until(asked_soon)

    def try_now(self, resetting: Resetting, later_s: float = 0.0) -> None:
        """Pursue the reset once at the present, or as if it were later, and let its request arrive."""
        resetting.next_s = now_s = time.monotonic() + later_s
        resetting.pursue(now_s)
        self.graph.serve(0.2)


@pytest.fixture
def scene(graph_environment: dict[str, str]) -> Iterator[Scene]:
    graph = Graph(graph_environment, "/cartpole")
    yield Scene(graph)
    graph.close()


def test_a_reset_that_takes_long_is_waited_for(scene: Scene) -> None:
    resetting = scene.resetting(reset_timeout_s=60.0)
    scene.graph.until(lambda: scene.asked)
    for second in range(59):
        resetting.next_s = NOW_S + second
        resetting.pursue(NOW_S + second)
    scene.graph.serve(0.2)
    assert len(scene.asked) == 1
    scene.asked[0].set_result((True, "at the start"))
    scene.graph.until(lambda: scene.done)
    assert scene.done == ["at the start"]
    assert resetting.next_s is None


def test_a_reset_that_fails_or_never_answers_is_asked_for_again(scene: Scene) -> None:
    resetting = scene.resetting(reset_timeout_s=60.0)
    scene.graph.until(lambda: scene.asked)
    scene.asked[0].set_result((False, "the winch is stuck"))
    scene.graph.until(lambda: "the winch is stuck" in resetting.message)
    scene.pursue(resetting, NOW_S, until=lambda: len(scene.asked) == 2)
    scene.pursue(resetting, NOW_S + 61.0, until=lambda: len(scene.asked) == 3)
    scene.asked[1].set_result((True, "too late"))
    scene.asked[2].set_result((True, "at last"))
    scene.graph.until(lambda: scene.done)
    assert scene.done == ["at last"]


def test_what_resets_a_real_robot_waits_for_the_robot_to_be_enabled(scene: Scene) -> None:
    resetting = scene.resetting(simulated=False)
    assert "enabled" in resetting.message
    scene.guard_says(may_reset=False)
    scene.try_now(resetting)
    assert not scene.asked
    scene.permit(resetting)
    assert len(scene.asked) == 1


def test_what_resets_a_real_robot_is_asked_once_it_may_move_and_the_guard_said_so_lately(scene: Scene) -> None:
    resetting = scene.resetting(simulated=False)
    scene.permit(resetting)
    scene.asked[0].set_result((True, ""))
    scene.graph.until(lambda: scene.done)
    resetting.begin()
    # A guard that has died allows nothing.
    scene.try_now(resetting, later_s=PERMISSION_S + 1.0)
    assert len(scene.asked) == 1


def test_what_does_not_answer_is_not_asked_again_while_the_robot_may_not_move(scene: Scene) -> None:
    resetting = scene.resetting(simulated=False, reset_timeout_s=TIMEOUT_S)
    scene.permit(resetting)
    scene.guard_says(may_reset=False)
    scene.try_now(resetting, later_s=TIMEOUT_S + 1.0)
    assert "enabled" in resetting.message
    assert len(scene.asked) == 1


def test_a_report_of_the_guard_that_says_nothing_allows_nothing(scene: Scene) -> None:
    resetting = scene.resetting(simulated=False)
    scene._guard.publish(DiagnosticArray())
    scene.graph.serve(0.2)
    scene.try_now(resetting)
    assert not scene.asked
