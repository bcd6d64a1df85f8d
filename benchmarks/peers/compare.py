#!/usr/bin/env python3
"""Argent beside ONNX Runtime, OpenVINO and PyTorch on the same networks with the same weights.

Each engine runs in a process of its own, in f32. They take turns, run by run, in one session, with
this machine's FMA peak measured between the turns; minimum and median of each are reported. Before
anything is timed, every engine's output is held to PyTorch's. Meant to be started by
benchmarks/peers/run.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy
import torch
from safetensors.torch import save_file

import networks
import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / ".cache" / "peers"
FORWARD = ["argent", "ort", "openvino", "torch-compile", "torch-cl", "torch"]
STEP = ["step-argent", "step-torch", "step-torch-cl", "step-torch-compile"]
TOLERANCE = 1e-4  # of the largest output; engines sum in different orders


def prepare(name, batch, engines):
    """Writes what the engines read: weights, input, ONNX. Returns the folder."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    model, image = networks.build(name), networks.example(name, batch)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()
               if not key.endswith("num_batches_tracked")}, folder / "weights.safetensors")
    numpy.save(folder / f"b{batch}.npy", image.numpy())
    image.numpy().tofile(folder / f"b{batch}.f32")
    if {"ort", "openvino"} & set(engines):
        torch.onnx.export(model, (image,), folder / f"b{batch}.onnx", input_names=["image"],
                          dynamo=False, opset_version=17)
    with torch.no_grad():
        numpy.save(folder / "expected.npy", model(image).numpy())
    return folder


class Engine:
    """A process that runs one network on request."""

    def __init__(self, name, folder, batch, threads):
        self.name, self.times, self.about = name, [], {}
        self.output = folder / f"{name}.npy"
        environment = dict(os.environ, ARGENT_KC=str(ROOT / "build" / "argent-kc"),
                           OMP_NUM_THREADS=str(threads))
        command = [str(word) for word in self.command(folder, batch, threads)]
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command, text=True, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, preexec_fn=lambda: os.sched_setaffinity(0, range(threads)))
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} stopped before its first result")
        self.about.update(json.loads(line))
        self.about["start_to_result_ms"] = (time.perf_counter() - start) * 1e3

    def command(self, folder, batch, threads):
        return [sys.executable, HERE / "worker.py", self.name, folder, batch, threads]

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} stopped")
        return float(line)

    def run(self):
        self.times.append(self.ask("run"))

    def result(self):
        return numpy.load(self.output)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class ArgentLibrary(Engine):
    """A compiled library, loaded through the C ABI."""

    def command(self, folder, batch, threads):
        library = folder / f"b{batch}.so"
        done = subprocess.run(
            [ROOT / "build" / "argent", "compile", folder.name, "--weights",
             folder / "weights.safetensors", "--batch", str(batch), "-o", library, "--json"],
            check=True, stdout=subprocess.PIPE, text=True)
        self.about["compile"] = json.loads(done.stdout)
        self.about["library_bytes"] = library.stat().st_size
        self.output = folder / "argent.f32"
        return [ROOT / "build" / "benchmarks" / "library_rounds", library, threads,
                folder / f"b{batch}.f32", self.output]

    def result(self):
        return numpy.fromfile(self.output, numpy.float32)


class ArgentStep(Engine):
    """A training step in memory."""

    def command(self, folder, batch, threads):
        return [ROOT / "build" / "benchmarks" / "rounds", "train", folder.name, batch, threads]


KINDS = {"argent": ArgentLibrary, "step-argent": ArgentStep}


def check_output(engine, folder):
    """The engine's first result against PyTorch's, as a part of the largest value."""
    expected = numpy.load(folder / "expected.npy").ravel()
    error = numpy.abs(engine.result().ravel() - expected).max() / numpy.abs(expected).max()
    engine.about["error"] = float(error)
    if not error <= TOLERANCE:
        raise RuntimeError(f"{folder.name}: {engine.name} differs from PyTorch by {error:.1e}")


@dataclasses.dataclass
class Job:
    name: str
    mode: str  # "forward" or "step"
    batch: int
    threads: int


def measure(job, engine_names, seconds):
    """Runs the job's engines in turn for about `seconds`; one row of results."""
    folder = prepare(job.name, job.batch, engine_names)
    engines = [KINDS.get(name, Engine)(name, folder, job.batch, job.threads)
               for name in engine_names]
    if job.mode == "forward":
        for engine in engines:
            check_output(engine, folder)
    ours, peak = engines[0], 0.0
    stop = time.perf_counter() + seconds
    while len(ours.times) < 3 or (time.perf_counter() < stop and len(ours.times) < 500):
        peak = max(peak, ours.ask("peak"))
        for engine in engines:
            engine.run()
            # Idle threads of a peer spin for a moment; the next engine is not to pay for it.
            time.sleep(0.002 * (job.threads - 1))
    row = {**dataclasses.asdict(job), "peak_gflops": peak * job.threads, "engines": {}}
    for engine in engines:
        if job.mode == "forward":
            engine.about["peak_rss_kb"] = engine.ask("memory")
        row["engines"][engine.name] = {"min_ms": min(engine.times), "rounds": len(engine.times),
                                       "median_ms": statistics.median(engine.times),
                                       **engine.about}
        engine.close()
    return row


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("networks", nargs="*", help="of the zoo; default: all of the comparison")
    parser.add_argument("--quick", action="store_true",
                        help="five networks, batch 1, without torch.compile")
    parser.add_argument("--batches", default="1", help="as in 1,8")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--engines", default=",".join(FORWARD))
    parser.add_argument("--steps", default="resnet20_cifar:128",
                        help="training steps as in NETWORK:BATCH,…; '' for none")
    parser.add_argument("--seconds", type=float, default=6, help="of turns per network")
    parser.add_argument("--json", type=pathlib.Path, default=WORK / "results.json")
    parser.add_argument("--write", action="store_true",
                        help="puts the table into README.md and the chart into docs/")
    return parser.parse_args()


def jobs_of(options):
    """(job, names of its engines, ours first) in the order they run."""
    engines = options.engines.split(",")
    steps = STEP
    if options.quick:
        options.networks = options.networks or networks.QUICK
        engines = [name for name in engines if name != "torch-compile"]
        steps = [name for name in STEP if name != "step-torch-compile"]
    for threads in [int(word) for word in options.threads.split(",")]:
        for batch in [int(word) for word in options.batches.split(",")]:
            for name in options.networks or networks.NETWORKS:
                yield Job(name, "forward", batch, threads), engines
        for word in filter(None, options.steps.split(",")):
            name, batch = word.split(":")
            yield Job(name, "step", int(batch), threads), steps


def main():
    options = parse()
    WORK.mkdir(parents=True, exist_ok=True)
    rows = []
    for job, engines in jobs_of(options):
        print(f"{job.mode} {job.name}, batch {job.batch}, {job.threads} threads", file=sys.stderr)
        rows.append(measure(job, engines, options.seconds))
        options.json.write_text(json.dumps(rows, indent=1))
    macs = report.zoo_macs(ROOT / "build" / "argent")
    print(report.table(rows, macs))
    if options.write:
        report.write(rows, macs, ROOT)


if __name__ == "__main__":
    main()
