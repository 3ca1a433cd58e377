"""Pictures of what a network shows on an image: three panels with boxes, or one overlay."""
