"""Start time of the commands, compared with ``import torch``."""
