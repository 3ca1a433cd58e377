"""Check ``randomised``: whether maps change when the weights are replaced by random ones."""
