"""Score maps and boxes made elsewhere: read them as untrusted input, score and record them with the baselines."""
