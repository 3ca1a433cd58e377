"""Check ``randomised``: do maps change if weights are replaced by random ones?"""
