"""Robots that learn by themselves, in the real world, in hours: world models trained online over ROS 2."""

__version__ = "0.1.0"
