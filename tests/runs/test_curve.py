"""The learning curve is a picture, also of a run in which nothing has happened."""

from pathlib import Path

import cv2

from robot_mbrl.runs.curve import save_curve


def test_a_curve_is_drawn(tmp_path: Path) -> None:
    episodes = [
        {"robot_steps": 251 * (k + 1), "return": float(k), "mode": "evaluate" if k % 5 == 4 else "explore"}
        for k in range(10)
    ]
    save_curve(episodes, tmp_path / "curve.png", "cartpole", 0.05, expert_return=9.0)
    save_curve([], tmp_path / "empty.png", "cartpole", 0.05)
    curve, empty = cv2.imread(str(tmp_path / "curve.png")), cv2.imread(str(tmp_path / "empty.png"))
    assert curve is not None
    assert empty is not None
    assert (curve != empty).any()


def test_a_curve_over_control_steps_is_another_one(tmp_path: Path) -> None:
    episodes = [
        {"robot_steps": k, "environment_steps": 1000 * k, "return": float(k), "mode": "explore"} for k in range(9)
    ]
    save_curve(episodes, tmp_path / "steps.png", "public", None)
    save_curve(episodes, tmp_path / "minutes.png", "public", 0.05)
    steps, minutes = cv2.imread(str(tmp_path / "steps.png")), cv2.imread(str(tmp_path / "minutes.png"))
    assert (steps != minutes).any()
