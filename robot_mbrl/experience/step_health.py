"""What is wrong with the steps that a replay was given, as metrics and in sentences."""

from robot_mbrl.experience.reward_bound import RewardBound
from robot_mbrl.experience.rows import RowWriter
from robot_mbrl.specs import DEPTH_LIMIT_MM

FAR_SHARE = 0.1
"""Share of a depth picture's pixels beyond the limit of depths that is worth a word."""


def figures(writer: RowWriter, rewards: RewardBound) -> dict[str, float]:
    """Metrics by name: rewards that are bounded, and the share of depths beyond the limit."""
    far = {f"depth_beyond_limit.{name}": share for name, share in writer.far_shares.items()}
    return {"bounded_rewards": float(rewards.beyond)} | far


def warnings(writer: RowWriter, rewards: RewardBound) -> dict[str, str]:
    """A sentence for each thing that a person should look at, by what it is about."""
    found = {}
    if rewards.beyond:
        found["reward"] = (
            f"{rewards.beyond} of the rewards in replay are beyond ±{rewards.limit:g} and bounded there: look at the "
            f"task, or give its YAML the reward_scale that is meant"
        )
    for name, share in writer.far_shares.items():
        if share > FAR_SHARE:
            found[f"depth.{name}"] = (
                f"{share:.0%} of the pixels of camera {name!r} are beyond {DEPTH_LIMIT_MM / 1000:g} m and look as "
                f"far as that: point it at what is near"
            )
    return found
