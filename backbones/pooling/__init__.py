"""Poolings: one file each, feature maps to one vector per image (or per image and finding)."""
