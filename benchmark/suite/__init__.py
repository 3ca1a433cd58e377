"""A suite from its YAML to its tables: plan, train, explain, score, record, table."""
