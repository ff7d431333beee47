"""Public tasks: any Gymnasium environment, described as a robot so that every agent learns on it."""
