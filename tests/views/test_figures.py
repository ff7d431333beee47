"""Whatever a report draws of a run lies over the same time, by whatever it was counted."""

from pathlib import Path

import pytest

from robot_mbrl.runs.curve import draw_curve
from robot_mbrl.views.figures import verdicts
from robot_mbrl.views.story import RunStory
from tests.views.runs import episode, make_run


@pytest.mark.parametrize("action_repeat", [1, 2])
def test_a_verdict_stands_where_the_episode_before_it_ended(tmp_path: Path, action_repeat: int) -> None:
    lived = {"environment_steps": 600 * action_repeat, "updates": 5, "episodes": 10, "solved": 0}
    lines = [
        episode(600, 12.0, environment_steps=600 * action_repeat),
        ("verdict", {**lived, "mean_return": 20.0}),
    ]
    folder = make_run(tmp_path / "run", lines, overrides={"task.action_repeat": action_repeat})
    story = RunStory(folder)
    drawn = draw_curve(story.record.episodes, "", story.step_s).axes[0].lines[0].get_xdata()
    # At 20 Hz.
    minutes = 600 * action_repeat / 20.0 / 60.0
    assert drawn == pytest.approx([minutes])
    assert verdicts(story) == [(pytest.approx(minutes), 20.0)]
