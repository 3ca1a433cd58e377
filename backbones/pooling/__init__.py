"""Poolings, one file each, from feature maps to one vector per image (or per image and finding)."""
