"""Run a suite: read its YAML file, train, explain, score, record and write the tables."""
