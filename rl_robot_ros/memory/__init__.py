"""What a learner remembers: replay, rollouts and the row log.  NumPy only, torch views it."""
