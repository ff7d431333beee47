"""Agents: behaviour learned with a world model, each exported as a policy bundle."""
