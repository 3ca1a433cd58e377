"""Losses: one file each, registered by name; unknown labels (nan) are ignored."""
