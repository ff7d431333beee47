"""What holds for every test."""

import torch

# Test processes share two cores with the nodes they start; more threads than one only get in each other's way.
torch.set_num_threads(1)
