"""Evaluate networks: cases and protocols in, scores and records out."""
