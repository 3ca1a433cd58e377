"""Attention layers, one file each, from feature maps to feature maps of the same shape."""
