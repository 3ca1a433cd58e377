"""Attention maps: one file each, feature maps to feature maps of the same shape."""
