"""What a robot lived through: its steps in memory, in files, and as the sequences that a model learns from."""
