"""Thin ROS nodes around the core: parameters, topics and signals, no decisions."""
