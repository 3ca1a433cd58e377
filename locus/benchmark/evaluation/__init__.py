"""The benchmark in one call from Python: score a network on samples in memory, or plain arrays."""
