"""The benchmark in one call from Python: a network and samples in memory, or plain arrays, become scores."""
