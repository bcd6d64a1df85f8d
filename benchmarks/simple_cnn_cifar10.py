#!/usr/bin/env python3
"""SimpleCNN on all of CIFAR-10, by `argent train` and by PyTorch, one after the other.

    python3 benchmarks/simple_cnn_cifar10.py CIFAR10_FOLDER [--argent build/argent] [--epochs 3]
        [--threads 2] [--seeds 0,1,2]

Both: batches of 128, Adam 0.001, mirrored and cropped by 4 pixels of padding, dropout 0.5. Prints a
row for each with the mean test accuracy, the accuracy of every seed (after three epochs it depends
on the seed by a few points) and the best images per second of training. Needs numpy and torch.
"""
import argparse
import json
import pathlib
import subprocess
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

BATCH = 128
MEAN = numpy.array((0.4914, 0.4822, 0.4465), numpy.float32).reshape(3, 1, 1)
DEVIATION = numpy.array((0.2470, 0.2435, 0.2616), numpy.float32).reshape(3, 1, 1)


def read(folder, names):
    records = numpy.concatenate([numpy.fromfile(folder / name, numpy.uint8) for name in names])
    records = records.reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / 255
    images = (images - MEAN) / DEVIATION
    return torch.from_numpy(images), torch.from_numpy(records[:, 0].astype(numpy.int64))


def simple_cnn():
    layers, inputs = [], 3
    for width in (32, 64, 128):
        layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                   nn.ReLU(), nn.MaxPool2d(2)]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5),
                         nn.Linear(128, 10))


def augmented(images, black):
    """Each image mirrored with probability 1/2 and shifted by up to 4 pixels; black comes in."""
    padded = black.expand(len(images), 3, 40, 40).clone()
    padded[:, :, 4:36, 4:36] = images
    down, right = torch.randint(0, 9, (2, len(images)))
    rows = (down[:, None] + torch.arange(32))[:, None, :, None]
    columns = (right[:, None] + torch.arange(32))[:, None, None, :]
    each = torch.arange(len(images))[:, None, None, None]
    channels = torch.arange(3)[None, :, None, None]
    images = padded[each, channels, rows, columns]
    mirrored = torch.rand(len(images)) < 0.5
    images[mirrored] = images[mirrored].flip(-1)
    return images


def train_torch(folder, epochs, threads, seed):
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    images, labels = read(folder, [f"data_batch_{i}.bin" for i in range(1, 6)])
    black = torch.from_numpy(-MEAN / DEVIATION).reshape(1, 3, 1, 1)
    model = simple_cnn()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    steps = len(images) // BATCH
    begin = time.time()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for step in range(steps):
            rows = order[step * BATCH:(step + 1) * BATCH]
            loss = functional.cross_entropy(model(augmented(images[rows], black)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    rate = epochs * steps * BATCH / (time.time() - begin)
    model.eval()
    images, labels = read(folder, ["test_batch.bin"])
    with torch.no_grad():
        right = sum((model(images[i:i + 500]).argmax(1) == labels[i:i + 500]).sum().item()
                    for i in range(0, len(images), 500))
    return {"test_accuracy": 100 * right / len(images), "images_per_second": rate}


def train_argent(program, folder, epochs, threads, seed):
    words = [program, "train", "simple_cnn-cifar10", "--data", f"cifar10:{folder}", "--epochs",
             str(epochs), "--threads", str(threads), "--seed", str(seed), "--json"]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--argent", default="build/argent")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", default="0,1,2")
    arguments = parser.parse_args()
    folder = arguments.folder
    if not (folder / "test_batch.bin").exists():
        folder = folder / "cifar-10-batches-bin"
    run = (folder, arguments.epochs, arguments.threads)
    rows = {"Argent": [], f"PyTorch {torch.__version__}": []}
    for seed in [int(word) for word in arguments.seeds.split(",")]:
        for runs, row in zip(rows.values(), (train_argent(arguments.argent, *run, seed),
                                             train_torch(*run, seed))):
            runs.append(row)
    for name, runs in rows.items():
        accuracies = [row["test_accuracy"] for row in runs]
        each = " ".join(f"{accuracy:.2f}" for accuracy in accuracies)
        print(f"{name:<24} test accuracy {sum(accuracies) / len(runs):.2f} % ({each})   "
              f"{max(row['images_per_second'] for row in runs):.0f} images/s")


if __name__ == "__main__":
    main()
