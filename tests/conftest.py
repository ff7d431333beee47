"""What holds for every test."""

import contextlib
import os

# Messages check the types of their fields, here and in the nodes that tests start; read when ROS is imported.
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"

# A robot has no torch, and runs the tests of its own side all the same.
with contextlib.suppress(ModuleNotFoundError):
    import torch

    # Test processes share two cores with the nodes they start; more threads than one only get in each other's way.
    torch.set_num_threads(1)
