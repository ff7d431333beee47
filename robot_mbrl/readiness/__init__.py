"""Whether a robot is ready to be driven: findings about driver, limits and computer, each with its remedy."""
