"""The leaderboard: rows, order, columns, and tables with more detail."""
