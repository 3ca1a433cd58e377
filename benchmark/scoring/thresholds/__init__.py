"""Choose score thresholds: from a list, or exactly; on the cases of each threshold origin."""
