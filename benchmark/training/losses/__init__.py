"""Losses: one file each, known by its name; labels that are unknown (nan) count nowhere."""
