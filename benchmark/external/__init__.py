"""Maps and boxes of others: read as untrusted input, scored by the protocols that apply, recorded with baselines."""
