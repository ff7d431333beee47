"""What runs on the robot: observing, episodes, the guard, the policy and its bundles; nothing here needs torch."""
