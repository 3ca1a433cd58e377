"""Check ``alignment``: the effect on scores of the placement of maps, and of their pictures in other packages."""

IMAGES = 100
"""Number of boxed images, drawn by patient, on which pictures are compared."""
