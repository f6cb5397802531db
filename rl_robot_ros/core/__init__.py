"""The contract and the bookkeeping of reinforcement learning: NumPy only, no ROS, no torch."""
