"""From an image to a picture of what a network shows on it: three panels with boxes, or one overlay."""
