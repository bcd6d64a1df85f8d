#!/usr/bin/env python3
"""Records what PyTorch computes for the layers and training steps of the unit tests.

    python3 tests/reference/training_steps.py      # writes training_steps.npz beside this file

Everything is computed in float64 from values that float32 holds exactly. Names in the archive:
"CASE/x", "CASE/labels", "CASE/begin/PARAMETER", "CASE/losses", "CASE/end/PARAMETER" for training,
"LAYER/x", "LAYER/begin/PARAMETER", "LAYER/y" for single layers.
"""
import pathlib

import numpy
import torch
from torch import nn
from torch.nn import functional

STEPS = 4
recorded = {}


def exact(tensor):
    """The tensor rounded to float32, as float64."""
    return tensor.to(torch.float32).to(torch.float64)


def begin(module):
    with torch.no_grad():
        for tensor in list(module.parameters()) + list(module.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(exact(tensor + 0.1 * torch.rand_like(tensor)))
    return module


def save(name, tensor):
    array = tensor.detach().numpy()
    given = "/begin/" in name or name.endswith("/x")
    recorded[name] = array.astype(numpy.float32) if given else array


def save_state(prefix, module):
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            save(f"{prefix}/{name}", tensor)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(7, 9), nn.Linear(9, 3)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class TinyCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.fc = nn.Linear(24, 4)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(torch.relu(self.conv2(x)), 2, padding=1)
        return self.fc(functional.adaptive_avg_pool2d(x, 2).flatten(1))


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd_dampened": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.99), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1),
}


def train(case, module, optimizer, x, labels, smoothing=0.0):
    save(f"{case}/x", x)
    recorded[f"{case}/labels"] = labels.numpy().astype(numpy.int32)
    save_state(f"{case}/begin", module)
    losses = []
    for _ in range(STEPS):
        loss = functional.cross_entropy(module(x), labels, label_smoothing=smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    recorded[f"{case}/losses"] = numpy.array(losses)
    save_state(f"{case}/end", module)


def split_decay(module):
    biases = [p for n, p in module.named_parameters() if n.endswith("bias")]
    weights = [p for n, p in module.named_parameters() if not n.endswith("bias")]
    return [{"params": weights}, {"params": biases, "weight_decay": 0.0}]


def record_training():
    x, labels = exact(torch.randn(5, 7)), torch.randint(0, 3, (5,))
    for name, make in OPTIMIZERS.items():
        module = begin(Mlp())
        train(f"mlp_{name}", module, make(module.parameters()), x, labels)
    module = begin(Mlp())
    train("mlp_no_decay", module, OPTIMIZERS["adamw"](split_decay(module)), x, labels)
    module = begin(TinyCnn())
    train("cnn", module, OPTIMIZERS["sgd_momentum"](module.parameters()),
          exact(torch.randn(4, 2, 9, 11)), torch.randint(0, 4, (4,)), smoothing=0.1)


def record_layers():
    causal = lambda layer, x: layer(functional.pad(x, (4, 0)))
    plain = lambda layer, x: layer(x)
    layers = {
        "conv1d": (nn.Conv1d(4, 6, 3, dilation=2, groups=2, padding="same"), (2, 4, 9), plain),
        "causal": (nn.Conv1d(3, 5, 3, dilation=2), (2, 3, 8), causal),
        "conv2d": (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 3, 7, 6), plain),
        "conv3d": (nn.Conv3d(2, 3, 3, padding=1, bias=False), (1, 2, 4, 5, 3), plain),
        "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
                       (2, 4, 3, 5), plain),
        "linear": (nn.Linear(5, 4), (2, 3, 5), plain),
        "layer_norm": (nn.LayerNorm([3, 5]), (2, 3, 5), plain),
        "batch_norm": (nn.BatchNorm2d(3, eps=1e-3).eval(), (2, 3, 4, 5), plain),
        "max_pool": (nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), (2, 3, 6, 7), plain),
        "avg_pool": (nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), (2, 3, 6, 7), plain),
        "adaptive": (nn.AdaptiveAvgPool2d(3), (2, 3, 7, 5), plain),
    }
    for name, (layer, shape, apply) in layers.items():
        layer = begin(layer)
        x = exact(torch.randn(shape))
        save(f"{name}/x", x)
        save_state(f"{name}/begin", layer)
        save(f"{name}/y", apply(layer, x))


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(1)
    record_training()
    record_layers()
    numpy.savez_compressed(pathlib.Path(__file__).with_suffix(".npz"), **recorded)
