"""Check ``randomised``: the change of maps if weights are replaced by random ones."""
