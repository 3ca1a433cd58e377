"""The hall: the only place where a model, a method and a dataset meet (plan, train, explain, localize, score, record, table)."""
