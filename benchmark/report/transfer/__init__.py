"""Whether one suite ranks methods and networks as another does: ``transfer.md``."""
