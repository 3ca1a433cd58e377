"""Networks that others trained: built, given their weights, wired, and put on the leaderboard of a suite."""
