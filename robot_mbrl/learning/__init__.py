"""Learning while the robot lives: the learner, its checkpoints and the policy bundles it exports."""
