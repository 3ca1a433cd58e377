"""How long scoring takes, here and with contour searches and component labelling: ``docs/scoring_speed.md``."""
