"""Tables of a leaderboard: networks, methods, effects, and tables with more detail."""
