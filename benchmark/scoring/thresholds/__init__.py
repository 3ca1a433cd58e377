"""Origins of score thresholds, and how the best one is found: in a list, or exactly."""
