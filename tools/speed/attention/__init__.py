"""How long attention, contrast and faithfulness take: ``docs/attention_speed.md``."""
