"""From heat maps and truth boxes to scores: arrays in, numbers out, without torch, pandas, configuration or records."""
