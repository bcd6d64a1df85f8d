#!/usr/bin/env python3
"""ResNet-20 on CIFAR-10 sizes against ONNX Runtime (forward, batch 1) and PyTorch (training step).

    benchmarks/peers.py [--rounds N] [--threads 1,2] [--train-batch 128]

Ours and the peers run in turn, round by round, in one session; the minimum of each is reported,
with the FMA peak of this machine measured between rounds. Needs numpy, torch, onnx and onnxruntime
(a venv of its own: pip install numpy torch onnx onnxruntime) and build/benchmarks/rounds. Prints a
Markdown table, and JSON with --json.
"""
import argparse
import json
import os
import pathlib
import subprocess
import time

import numpy
import torch
import torch.nn.functional as functional

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Block(torch.nn.Module):
    """Two 3x3 convolutions; the shortcut drops every other pixel and pads channels (option A)."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.stride, self.extra = stride, (width - channels) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return functional.relu(x + y)


class ResNet20(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(16)
        blocks, channels = [], 16
        for width, stride in ((16, 1), (32, 2), (64, 2)):
            for i in range(3):
                blocks.append(Block(channels, width, stride if i == 0 else 1))
                channels = width
        self.blocks = torch.nn.Sequential(*blocks)
        self.linear = torch.nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(functional.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean((2, 3)))


class Ours:
    """The `rounds` program, one run per call."""

    def __init__(self, mode, batch, threads):
        command = [ROOT / "build" / "benchmarks" / "rounds", mode, "resnet20_cifar", batch, threads]
        environment = dict(os.environ, ARGENT_KC=str(ROOT / "build" / "argent-kc"))
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)
        self.about = json.loads(self.process.stdout.readline())

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def run(self):
        return self.ask("run")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(function):
    def run():
        start = time.perf_counter()
        function()
        return (time.perf_counter() - start) * 1e3
    return run


def onnx_runtime(threads):
    import io

    import onnxruntime
    model = ResNet20().eval()
    image = torch.randn(1, 3, 32, 32)
    file = io.BytesIO()
    torch.onnx.export(model, (image,), file, input_names=["image"], dynamo=False, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, ["CPUExecutionProvider"])
    feed = {"image": image.numpy().astype(numpy.float32)}
    return timed(lambda: session.run(None, feed))


def pytorch_step(batch, threads, channels_last):
    torch.set_num_threads(threads)
    model = ResNet20()
    image, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(image), labels).backward()
        optimizer.step()
    return timed(step)


def interleave(ours, peers, rounds):
    best = {name: float("inf") for name in ["argent", *peers]}
    peak = 0.0
    for _ in range(rounds):
        peak = max(peak, ours.ask("peak"))
        best["argent"] = min(best["argent"], ours.run())
        for name, run in peers.items():
            best[name] = min(best[name], run())
    return best, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--train-rounds", type=int, default=6)
    parser.add_argument("--train-batch", type=int, default=128)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for threads in [int(t) for t in options.threads.split(",")]:
        jobs = [("forward", 1, {"ONNX Runtime": onnx_runtime(threads)}, options.rounds),
                ("train", options.train_batch,
                 {"PyTorch eager": pytorch_step(options.train_batch, threads, False),
                  "PyTorch channels-last": pytorch_step(options.train_batch, threads, True)},
                 options.train_rounds)]
        for mode, batch, peers, rounds in jobs:
            ours = Ours(mode, batch, threads)
            best, peak = interleave(ours, peers, rounds)
            ours.close()
            fastest = min(peers, key=lambda name: best[name])
            rows.append({"mode": mode, "batch": batch, "threads": threads, "ms": best,
                         "fastest_peer": fastest, "speedup": best[fastest] / best["argent"],
                         "percent_of_peak": 100 * ours.about["gflop"] / best["argent"] * 1e3
                         / (peak * threads), "peak_gflops_one_thread": peak, **ours.about})
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| ResNet-20 | threads | Argent ms | % of FMA peak | fastest peer ms | speed-up |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        name = f"{row['mode']}, batch {row['batch']}"
        print(f"| {name} | {row['threads']} | {row['ms']['argent']:.2f}"
              f" | {row['percent_of_peak']:.0f}"
              f" | {row['ms'][row['fastest_peer']]:.2f} ({row['fastest_peer']})"
              f" | {row['speedup']:.2f} |")


if __name__ == "__main__":
    main()
