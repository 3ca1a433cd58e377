"""The start of the commands beside ``import torch``."""
