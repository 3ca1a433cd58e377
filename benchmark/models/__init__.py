"""Networks of others: build them, load their weights, find their layers, and add them to a suite's leaderboard."""
