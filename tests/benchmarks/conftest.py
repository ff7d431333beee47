"""What tests of benchmarks share."""

from pathlib import Path

import pytest
import yaml


@pytest.fixture
def tiny_agent(tmp_path: Path) -> Path:
    """A YAML of an agent that learns in seconds, and nothing."""
    settings = {"family": "dreamer", "deter": 8, "hidden": 8, "units": 8, "batch_size": 2, "batch_length": 8}
    settings |= {"horizon": 3, "imagination_starts": 4, "prefill_steps": 60, "pretrain_updates": 1, "train_ratio": 4}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path
