"""Small networks and distributions that world models and agents are composed of."""
