"""Time scoring, and contour searches and component labelling for comparison."""
