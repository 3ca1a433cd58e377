"""How long others' large maps take in ``locus``, and how much memory many of them: ``docs/external_speed.md``."""
