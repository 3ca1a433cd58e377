"""``transfer.md``: whether two suites rank methods and networks alike, from their records."""
