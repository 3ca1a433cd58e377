"""The leaderboard: its rows and their order, its columns, and the tables that look at them more closely."""
