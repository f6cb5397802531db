"""From rows to pushes: trainer, checkpoints and episode statistics.  No ROS in here."""
