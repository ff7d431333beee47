"""What a robot lived through, in the formats of others."""
