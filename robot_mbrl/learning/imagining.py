"""What the world model expects of the next second if its own policy goes on from where the robot is now."""

import numpy as np

from robot_mbrl.agents.agent import ImaginesAhead
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import read_sequences
from robot_mbrl.experience.replay import Replay
from robot_mbrl.imagined import Imagined
from robot_mbrl.learning.learner import Learner
from robot_mbrl.steps import StepKey
from robot_mbrl.world_models.batch import Batch

AHEAD_S = 1.0
"""How far it is looked ahead; of robots that are slower than that, two steps."""
CONTEXT = 10
"""Steps up to now that are seen at most: velocities show in a few, and each costs as much as one that is imagined."""


def imagine(learner: Learner, row: int) -> Imagined:
    """Let the model foresee what comes after a step.

    Args:
        learner: whose model, policy and replay; nothing of it changes.
        row: number of the step in its replay.

    Raises:
        ExperienceError: if the agent has no such model or it is not ready, it sees pictures alone, the step is gone, or
            nothing finite is expected.
    """
    agent, spec = learner.agent, learner.config.observation_spec()
    if not isinstance(agent, ImaginesAhead):
        raise ExperienceError(f"an agent of the family {learner.config.agent.family!r} does not imagine its own acting")
    if not spec.vectors:
        raise ExperienceError("it sees nothing but pictures, of which no way in space can be told")
    if not agent.ready:
        raise ExperienceError("nothing has been learned yet")
    if not learner.replay.oldest <= row < learner.replay.total:
        raise ExperienceError("the step has left the replay")
    rows = _context(learner.replay, row)
    batch = Batch.of(read_sequences(learner.replay, rows[:1], len(rows)), learner.device)
    steps = max(2, round(AHEAD_S / learner.config.step_s))
    ahead = agent.imagine_ahead(batch, steps)
    now = {name: batch.observation[name][0, -1:] for name in spec.vectors}
    parts = [np.concatenate([now[name].cpu().numpy(), ahead[name][0].cpu().numpy()]) for name in ahead]
    values = np.concatenate(parts, -1).astype(float) if parts else np.zeros((0, 0))  # (T + 1, V)
    # What comes after something that is no number means nothing, either.
    sound = int(np.logical_and.accumulate(np.isfinite(values).all(-1)).sum())
    if sound < 2:
        raise ExperienceError("nothing finite is expected of the next step")
    last = learner.replay.read(rows[-1:])
    key = StepKey(learner.replay.sessions[int(last["session"][0])], int(last["stamp_ns"][0]))
    return Imagined(key, spec.element_names, values[:sound], learner.config.step_s)


def _context(replay: Replay, row: int) -> np.ndarray:
    """Numbers of the steps up to one that follow one another without a cut, int64, (T,)."""
    rows = [row]
    while len(rows) < CONTEXT:
        slot = replay.rows[rows[-1] % replay.capacity]
        before = int(slot["previous"])
        if slot["is_first"] or before < replay.oldest:
            break
        rows.append(before)
    return np.array(rows[::-1])
