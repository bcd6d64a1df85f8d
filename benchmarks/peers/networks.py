"""The networks of the comparison, as PyTorch builds them, with random weights.

Parameter names equal those of Argent's zoo, so one file of weights serves every engine.
"""
import dataclasses
import pathlib
import sys
from typing import Callable

import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "reference"))
import zoo_networks  # noqa: E402


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; the shortcut drops every other pixel and pads channels (option A)."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.extra = stride, (width - channels) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return functional.relu(x + y)


class CifarResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, width in enumerate((16, 32, 64), 1):
            layers = []
            for i in range(blocks):
                layers.append(CifarBlock(channels, width, 2 if i == 0 and stage > 1 else 1))
                channels = width
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of Argent's zoo and the PyTorch module that equals it."""
    make: Callable[[], nn.Module]
    image: tuple


def of_reference(name):
    reference = zoo_networks.NETWORKS[name]
    return Network(lambda: reference.build(reference.classes), reference.full_shape)


NETWORKS = {
    "lenet5": Network(LeNet5, (1, 28, 28)),
    "resnet20_cifar": Network(lambda: CifarResNet(3), (3, 32, 32)),
    **{name: of_reference(name) for name in zoo_networks.NETWORKS},
}
QUICK = ["lenet5", "resnet20_cifar", "resnet18", "mobilenet_v2", "resnet50"]

# Training steps, NETWORK[@EXTENT]: batch.
STEPS = {"resnet20_cifar": 128, "resnet18_cifar": 128, "mobilenet_v2@96": 16, "deit_tiny": 16,
         "unet@128": 2, "lenet5": 64}
QUICK_STEPS = {"resnet20_cifar": 128}

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def randomise(model, image):
    """Weights that keep activations near 1: batch norms get running statistics of a real pass."""
    for parameter in model.parameters():  # scales of 0 or 1e-6 would hide whole branches
        if parameter.numel() > 1 and parameter.min() == parameter.max():
            nn.init.uniform_(parameter, 0.1, 0.5)
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    if norms:
        model.train()
        with torch.no_grad():
            model(torch.randn(4, *image))


def find(name):
    """The network NAME, or NAME@EXTENT with that extent of its input's spatial axes."""
    name, _, extent = name.partition("@")
    network = NETWORKS[name]
    if not extent:
        return network
    channels, *spatial = network.image
    return Network(network.make, (channels, *[int(extent)] * len(spatial)))


def build(name, seed=0):
    """The module in evaluation mode, always with the same weights."""
    torch.manual_seed(seed)
    network = find(name)
    model = network.make()
    randomise(model, network.image)
    return model.eval()


def example(name, batch):
    """An input of f32[batch, channels, ...]."""
    return torch.randn(batch, *find(name).image, generator=torch.Generator().manual_seed(1))
