"""Plain training loop for comparison: torchvision's transforms in torch's DataLoader, decoding in every epoch."""

import time
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from backbones import build
from benchmark.training import optimizers
from benchmark.training.losses.bce import BCE
from config import TrainConfig
from tools.scale.clocks import used


class Files(Dataset):
    """Image files as (1, S, S) tensors in [0, 1]."""

    def __init__(self, files: list[Path], size: int) -> None:
        self.files = files
        self.ready = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.files[index]) as image:
            return self.ready(image.convert("L"))


def epoch(files: list[Path], size: int, workers: int, batch: int) -> dict[str, float]:
    """Train one epoch with the same network and the same steps, without Lightning; return its images and times."""
    model = build("custom", 8, "AVG", "none", False, 0.0)
    optimizer, loss = optimizers.build(TrainConfig(), model.parameters()), BCE()
    loader = DataLoader(Files(files, size), batch, shuffle=True, num_workers=workers)
    began = time.perf_counter(), used()
    for images in loader:
        logits = model(images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))
        loss(logits, torch.zeros(len(images), 8)).backward()
        optimizer.step()
        optimizer.zero_grad()
        cpu = used() - began[1]
    return {"images": len(files), "seconds": round(time.perf_counter() - began[0], 1), "cpu_s": round(cpu, 1)}
