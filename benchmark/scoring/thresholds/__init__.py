"""Where a score threshold comes from, and how the best one is found: among samples, or exactly."""
