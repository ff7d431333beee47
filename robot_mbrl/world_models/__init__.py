"""World models: what the robot will observe and earn, learned from what it lived through."""
