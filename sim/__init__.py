"""Simulated robots: PyBullet worlds, Gymnasium environments over them, and a stand-in for a robot's ROS driver."""
