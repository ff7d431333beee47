"""An agent so small that it costs nothing, for tests of what happens around learning."""

SIZES = {"deter": 8, "hidden": 8, "units": 8, "stoch": 2, "classes": 4, "layers": 1, "head_layers": 1}
BATCHES = {"batch_size": 2, "batch_length": 8, "horizon": 3, "imagination_starts": 4}
TINY = {f"agent.{name}": value for name, value in (SIZES | BATCHES).items()}
"""Overrides of a run."""
