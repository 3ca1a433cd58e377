"""How long training takes, stage by stage and beside its network alone: ``docs/training_speed.md``."""
