"""Bad hardware on purpose: what a simulated driver and its drives may do wrong, from one seeded description.

`description` says what goes wrong and is read from YAML, `occurrences` when, `body` and `FaultyWorld` let it happen to
the drives, `readings` to what the sensors say, `wire` to messages on their way.
"""

from sim.faults.description import Faults, load_faults, no_faults
from sim.faults.wire import Delivery, Wire
from sim.faults.world import FaultyWorld

__all__ = ["Delivery", "Faults", "FaultyWorld", "Wire", "load_faults", "no_faults"]
