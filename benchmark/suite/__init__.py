"""Run a suite from its YAML file to its tables: plan, train, explain, score, record."""
