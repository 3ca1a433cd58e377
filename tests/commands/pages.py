"""The commands that a page of results prints, as a reader types them."""

import html
import re
import shlex
from pathlib import Path

NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))
"""
METHOD = """
from locus import GradientMethod

class Mine(GradientMethod):
    \"\"\"Gradients with the square of their mean as weights.\"\"\"
    name = "mine"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True) ** 2
"""

PLACEHOLDERS = {"path/to/file.py:MyCAM": "mine.py:Mine", "file.py:build": "net.py:Net --channels 1"}
"""What a page prints for a file of the reader -> what the test types."""


def typed_commands(page: Path) -> list[list[str]]:
    """The words of each command after ``python -m``; commands that need the path of a data set are left out."""
    plain = re.sub(r"</?span[^>]*>", "", page.read_text())
    printed = [html.unescape(text) for text in re.findall(r"<code>(python -m [^<]+)</code>", plain)]
    typed = []
    for command in dict.fromkeys(text for text in printed if " PATH" not in text):
        for placeholder, given in PLACEHOLDERS.items():
            command = command.replace(placeholder, given) if f" {placeholder}" in command else command
        typed.append(shlex.split(command)[2:])
    return typed
