#!/usr/bin/env python3
"""Records the losses of PyTorch's first twenty SGD steps of ModernCNN on CIFAR-10.

    python3 tests/reference/modern_cnn_losses.py FOLDER   # writes modern_cnn_losses.npz beside it

FOLDER holds data_batch_1.bin. Learning rate 0.01, momentum 0.9, batches of 128 images in the
file's order, normalised with CIFAR-10's own mean and deviation; initial weights by
scripts/philox_init.py, seed 1. Arrays: "losses" f32[20] (the step's own, before the update) and
"seed".
"""
import pathlib
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))
from philox_init import draw  # noqa: E402

STEPS, BATCH, SEED = 20, 128, 1
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Block(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False),
                                            nn.BatchNorm2d(width))

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ModernCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def initialise(model):
    """PyTorch's default schemes: uniform in 1 / sqrt(fan_in)."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            if len(shape) > 1:
                values = draw(name, shape, "kaiming_uniform", (1 / 3) ** 0.5, SEED)
            elif name == "fc.bias":
                values = draw(name, shape, "uniform", 1 / 256 ** 0.5, SEED)
            else:
                continue  # batch norm: ones and zeros
            parameter.copy_(torch.from_numpy(values))


def main():
    torch.manual_seed(0)
    records = numpy.fromfile(pathlib.Path(sys.argv[1]) / "data_batch_1.bin", numpy.uint8)
    records = records.reshape(-1, 3073)[: STEPS * BATCH]
    images = records[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / numpy.float32(255)
    mean = numpy.array(MEAN, numpy.float32).reshape(3, 1, 1)
    images = (images - mean) / numpy.array(DEVIATION, numpy.float32).reshape(3, 1, 1)
    labels = records[:, 0].astype(numpy.int64)

    model = ModernCnn()
    initialise(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        loss = functional.cross_entropy(model(torch.from_numpy(images[rows])),
                                        torch.from_numpy(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(step + 1, losses[-1])
    numpy.savez(HERE / "modern_cnn_losses.npz", losses=numpy.array(losses, numpy.float32),
                seed=numpy.array([SEED], numpy.int64))


if __name__ == "__main__":
    main()
