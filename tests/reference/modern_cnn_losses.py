#!/usr/bin/env python3
"""Records the losses of PyTorch's first twenty SGD steps of ModernCNN on CIFAR-10.

    python3 tests/reference/modern_cnn_losses.py FOLDER           # writes modern_cnn_losses.npz
    python3 tests/reference/modern_cnn_losses.py FOLDER --double  # compares it with float64

FOLDER holds data_batch_1.bin. Learning rate 0.01, momentum 0.9, batches of 128 images in the
file's order, normalised with CIFAR-10's own mean and deviation. Initial weights by
scripts/philox_init.py, seed 1, in torchvision's scheme for residual networks: convolutions Kaiming
normal with fan-out, the last batch norm of each block with scale 0, the linear layer PyTorch's
default. Arrays: "losses" f32[20] (the step's own, before the update) and "seed".

How much of a difference is rounding: PyTorch 2.15 in float32 on one thread parts from float64 by
1.0e-5 at most over these twenty steps (--double), while the loss goes from 2.32 to 2.14. With
PyTorch's default weights (uniform, the scale of every batch norm 1) the losses are no yardstick for
1e-3: two float32 runs of PyTorch itself parted by 6e-3, since early updates amplify rounding.
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


def initial(name, shape):
    """The first values of a parameter; None: as batch norm makes them, ones and zeros."""
    if len(shape) == 4:
        return draw(name, shape, "kaiming_normal", 2 ** 0.5, SEED, fan_out=True)
    if name == "fc.weight":
        return draw(name, shape, "kaiming_uniform", (1 / 3) ** 0.5, SEED)
    if name == "fc.bias":
        return draw(name, shape, "uniform", 1 / 256 ** 0.5, SEED)
    return numpy.zeros(shape, numpy.float32) if name.endswith("bn2.weight") else None


def initialise(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = initial(name, tuple(parameter.shape))
            if values is not None:
                parameter.copy_(torch.from_numpy(values))


def batches(folder):
    records = numpy.fromfile(pathlib.Path(folder) / "data_batch_1.bin", numpy.uint8)
    records = records.reshape(-1, 3073)[: STEPS * BATCH]
    images = records[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / numpy.float32(255)
    mean = numpy.array(MEAN, numpy.float32).reshape(3, 1, 1)
    images = (images - mean) / numpy.array(DEVIATION, numpy.float32).reshape(3, 1, 1)
    labels = records[:, 0].astype(numpy.int64)
    for begin in range(0, STEPS * BATCH, BATCH):
        rows = slice(begin, begin + BATCH)
        yield torch.from_numpy(images[rows]), torch.from_numpy(labels[rows])


def train(folder, dtype):
    """The loss of every step."""
    model = ModernCnn()
    initialise(model)
    model.to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for images, labels in batches(folder):
        loss = functional.cross_entropy(model(images.to(dtype)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(len(losses), losses[-1], flush=True)
    return numpy.array(losses)


def main():
    record = HERE / "modern_cnn_losses.npz"
    if "--double" in sys.argv[2:]:
        exact = train(sys.argv[1], torch.float64)
        drift = numpy.abs(numpy.load(record)["losses"] - exact) / exact
        print("largest relative difference of the recorded losses:", drift.max())
    else:
        losses = train(sys.argv[1], torch.float32)
        numpy.savez(record, losses=losses.astype(numpy.float32),
                    seed=numpy.array([SEED], numpy.int64))


if __name__ == "__main__":
    main()
