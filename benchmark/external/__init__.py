"""Others' maps and boxes: read with care, scored by the protocols that fit, recorded beside the baselines."""
