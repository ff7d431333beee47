"""The size at which DreamerV3 is measured beside other implementations of it."""

OBSERVED, ACTIONS = 24, 6
"""Values that are observed, and that are decided."""
BATCH, LENGTH = 16, 64
"""Sequences of an update, and their steps."""
HORIZON = 15
"""Steps that are imagined from each of them."""
DETER = 512
HIDDEN = UNITS = 256
"""Width of the recurrent model's layers, and of all other networks'."""
STOCH, CLASSES = 32, 32
BLOCKS = 8
PRIOR_LAYERS = 2
LAYERS = 3
"""Of encoder, decoder, actor and critic."""
HEAD_LAYERS = 1
"""Of reward and continuation."""
BINS = 255
