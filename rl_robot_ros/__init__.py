"""Reinforcement learning that runs as a ROS 2 graph."""
