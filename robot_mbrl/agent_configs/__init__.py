"""The settings of agents: one model per family, told apart by `family`; none imports torch, since robots read them."""

from typing import Annotated

from pydantic import Field

from robot_mbrl.agent_configs.daydreamer import DayDreamerConfig
from robot_mbrl.agent_configs.dreamer import DreamerConfig
from robot_mbrl.agent_configs.dreamer_v1 import DreamerV1Config
from robot_mbrl.agent_configs.dreamer_v3 import DreamerV3Config
from robot_mbrl.agent_configs.mpc import MPCConfig
from robot_mbrl.agent_configs.planet import PlaNetConfig
from robot_mbrl.agent_configs.settings import AgentSettings, SequenceSettings

AgentConfig = Annotated[
    DreamerConfig | DreamerV1Config | DayDreamerConfig | DreamerV3Config | MPCConfig | PlaNetConfig,
    Field(discriminator="family"),
]
"""Any agent's settings: a union with one member per family."""

__all__ = [
    "AgentConfig",
    "AgentSettings",
    "DayDreamerConfig",
    "DreamerConfig",
    "DreamerV1Config",
    "DreamerV3Config",
    "MPCConfig",
    "PlaNetConfig",
    "SequenceSettings",
]
