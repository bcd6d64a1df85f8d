#!/usr/bin/env python3
"""Argent beside ONNX Runtime, OpenVINO and PyTorch on the same networks with the same weights.

Each engine runs in a process of its own, in f32. They take turns, run by run, in one session, with
this machine's FMA peak measured between the turns; minimum and median of each are reported. Before
anything is timed, every engine's output is held to PyTorch's. Meant to be started by
benchmarks/peers/run.
"""
import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
import warnings

import numpy
import torch
from safetensors.torch import save_file

import networks
import report
import rest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / ".cache" / "peers"
ENGINES = ["argent", "ort", "openvino", "torch-compile", "torch-compile-cl", "torch-cl", "torch"]
# Errors allowed, as parts of the largest output of PyTorch in float64; twice the error of PyTorch
# in f32, where that is more.
DIRECT, WINOGRAD = 1e-5, 1e-4
SHORT_MS = 20  # runs of which a large part would be the way of weights back into the caches


def definition():
    """Changes when what prepare() writes may change."""
    sources = [HERE / "networks.py", HERE / "compare.py",
               pathlib.Path(networks.zoo_networks.__file__)]
    text = b"".join(source.read_bytes() for source in sources) + torch.__version__.encode()
    return hashlib.sha256(text).hexdigest()


def largest_error(found, expected):
    return float(numpy.abs(found.ravel() - expected.ravel()).max() / numpy.abs(expected).max())


def prepare(name, batch, mode):
    """Writes what the engines read: weights, input, ONNX; and PyTorch's output in float64, with the
    error of its output in f32. Returns the folder."""
    folder = WORK / name
    stamp = folder / f"{mode}-b{batch}.stamp"
    if stamp.exists() and stamp.read_text() == definition():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    model, image = networks.build(name), networks.example(name, batch)
    numpy.save(folder / f"b{batch}.npy", image.numpy())
    if mode == "forward":
        image.numpy().tofile(folder / f"b{batch}.f32")
        save_file({key: value.contiguous() for key, value in model.state_dict().items()
                   if not key.endswith("num_batches_tracked")}, folder / "weights.safetensors")
        with warnings.catch_warnings():  # of the exporter's own deprecation and constants
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (image,), folder / f"b{batch}.onnx", input_names=["image"],
                              dynamo=False, opset_version=17)
        with torch.no_grad():
            single = model(image).numpy()
            expected = model.double()(image.double()).numpy()
        numpy.savez(folder / f"b{batch}.expected.npz", output=expected,
                    error=largest_error(single, expected))
    stamp.write_text(definition())
    return folder


class Engine:
    """A process that runs one network on request."""

    tolerance = WINOGRAD

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
        """One run, and what its threads do after it: ONNX Runtime's look for more work for some
        50 ms, on processors that the next engine needs. A short run is the second of two: the first
        brings back what the other engines took of the caches."""
        took = self.ask("run")
        if took < SHORT_MS:
            took = self.ask("run")
        self.times.append(took)
        rest.wait_until_at_rest(self.process.pid)

    def result(self):
        return numpy.load(self.output)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class ArgentLibrary(Engine):
    """A compiled library, loaded through the C ABI."""
    options = []

    def command(self, folder, batch, threads):
        library = folder / f"{self.name}-b{batch}.so"
        start = time.perf_counter()
        done = subprocess.run(
            [ROOT / "build" / "argent", "compile", folder.name, "--weights",
             folder / "weights.safetensors", "--batch", str(batch), "-o", library, "--json",
             *self.options],
            check=True, stdout=subprocess.PIPE, text=True)
        self.about["compile"] = json.loads(done.stdout)
        self.about["compile_seconds"] = time.perf_counter() - start
        self.about["library_bytes"] = library.stat().st_size
        self.output = folder / f"{self.name}.f32"
        return [ROOT / "build" / "benchmarks" / "library_rounds", library, threads,
                folder / f"b{batch}.f32", self.output]

    def result(self):
        return numpy.fromfile(self.output, numpy.float32)


class ArgentDirect(ArgentLibrary):
    """Without Winograd's algorithm."""
    options = ["--winograd=off"]
    tolerance = DIRECT


class ArgentStep(Engine):
    """A training step in memory."""

    def command(self, folder, batch, threads):
        return [ROOT / "build" / "benchmarks" / "rounds", "train", folder.name, batch, threads]


KINDS = {"argent": ArgentLibrary, "argent-direct": ArgentDirect, "step-argent": ArgentStep}


class WrongOutput(Exception):
    """An engine's output is too far from PyTorch's: there is nothing to time."""


def check_output(engine, folder, batch):
    """The engine's first result against PyTorch's in float64."""
    expected = numpy.load(folder / f"b{batch}.expected.npz")
    error = largest_error(engine.result(), expected["output"])
    allowed = max(engine.tolerance, 2 * float(expected["error"]))
    engine.about["error"] = error
    if not error <= allowed:
        raise WrongOutput(f"{folder.name}: {engine.name} differs from PyTorch in float64 by "
                          f"{error:.1e} of the largest output, more than {allowed:.1e}")


@dataclasses.dataclass
class Job:
    name: str
    mode: str  # "forward" or "step"
    batch: int
    threads: int


def gflop_of(job, ours):
    """1e9 floating-point operations of one run, those of convolutions and matrix products."""
    if job.mode == "step":
        return ours.about["gflop"]
    zoo = json.loads(subprocess.check_output([ROOT / "build" / "argent", "zoo", "--json"]))
    macs = {network["name"]: network["macs"] for network in zoo}
    return 2e-9 * macs[job.name] * job.batch


def measure(job, engine_names, seconds):
    """Runs the job's engines in turn for about `seconds`; one row of results."""
    folder = prepare(job.name, job.batch, job.mode)
    engines = [KINDS.get(name, Engine)(name, folder, job.batch, job.threads)
               for name in engine_names]
    if job.mode == "forward":
        for engine in engines:
            check_output(engine, folder, job.batch)
    ours, peak = engines[0], 0.0
    stop = time.perf_counter() + seconds
    while len(ours.times) < 3 or (time.perf_counter() < stop and len(ours.times) < 500):
        peak = max(peak, ours.ask("peak"))
        for engine in engines:
            engine.run()
    row = {**dataclasses.asdict(job), "peak_gflops": peak,
           "gflop": gflop_of(job, ours), "engines": {}}
    for engine in engines:
        if job.mode == "forward":
            engine.about["peak_rss_kb"] = engine.ask("memory")
            if engine is ours:
                row["copy_gb_per_s"] = engine.ask("copy")  # its memory is not the network's
        row["engines"][engine.name] = {"min_ms": min(engine.times), "rounds": len(engine.times),
                                       "median_ms": statistics.median(engine.times),
                                       **engine.about}
        engine.close()
    return row


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("networks", nargs="*", help="of the zoo; default: all of the comparison")
    parser.add_argument("--quick", action="store_true",
                        help="five networks, batch 1, without torch.compile, in five minutes")
    parser.add_argument("--batches", default="1", help="as in 1,8; '' for no inference")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--engines", default=",".join(ENGINES),
                        help="ours first; those that train take part in steps, too")
    parser.add_argument("--steps", help="training steps as in unet@128:2,lenet5:64; '' for none; "
                        "default: all of the comparison, with --quick one")
    parser.add_argument("--seconds", type=float, default=6, help="of turns per network")
    parser.add_argument("--json", type=pathlib.Path, default=WORK / "results.json")
    parser.add_argument("--update", action="store_true",
                        help="keeps the rows of --json that this run does not measure")
    parser.add_argument("--write", action="store_true",
                        help="puts the table into README.md and the chart into docs/")
    parser.add_argument("--page", type=pathlib.Path, metavar="FILE",
                        help="writes the tables as a page of their own, of another machine, say")
    return parser.parse_args()


def jobs_of(options):
    """(job, names of its engines, ours first) in the order they run."""
    engines = options.engines.split(",")
    if options.steps is None:
        pairs = networks.QUICK_STEPS if options.quick else networks.STEPS
        options.steps = ",".join(f"{name}:{batch}" for name, batch in pairs.items())
    if options.quick:
        options.networks = options.networks or networks.QUICK
        engines = [name for name in engines if not name.startswith("torch-compile")]
    steps = ["step-argent", *[f"step-{name}" for name in engines if name.startswith("torch")]]
    for threads in [int(word) for word in options.threads.split(",")]:
        for batch in [int(word) for word in filter(None, options.batches.split(","))]:
            for name in options.networks or networks.NETWORKS:
                yield Job(name, "forward", batch, threads), engines
        for word in filter(None, options.steps.split(",")):
            name, batch = word.split(":")
            yield Job(name, "step", int(batch), threads), steps


def rows_to_keep(path, jobs):
    """Rows of the earlier run in `path` that none of the jobs measures."""
    if not path.exists():
        sys.exit(f"compare: --update needs {path}, which an earlier run writes")
    measured = [dataclasses.asdict(job) for job in jobs]
    return [row for row in json.loads(path.read_text())
            if not any(all(row[key] == value for key, value in job.items()) for job in measured)]


def in_order(rows):
    """Forward passes, then steps, as networks.py lists them; then what was asked for by name."""
    known = [*networks.NETWORKS, *networks.STEPS]

    def place(row):
        index = known.index(row["name"]) if row["name"] in known else len(known)
        return row["mode"] == "step", index, row["name"], row["batch"], row["threads"]
    return sorted(rows, key=place)


def machine():
    """What /proc/cpuinfo says of the processor, and its widest vectors."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    about = dict(re.findall(r"^([^\t:]+)\t*: (.*)$", text, re.M))
    flags = about.get("flags", "").split()
    widest = next((flag for flag in ("avx512f", "avx2") if flag in flags), "no AVX2")
    names = [about.get(key, "?") for key in ("model name", "cpu family", "model")]
    return "{}, family {}, model {}, {}.".format(*names, widest)


def main():
    options = parse()
    WORK.mkdir(parents=True, exist_ok=True)
    jobs, wrong = list(jobs_of(options)), []
    rows = rows_to_keep(options.json, [job for job, _ in jobs]) if options.update else []
    for job, engines in jobs:
        print(f"{job.mode} {job.name}, batch {job.batch}, {job.threads} threads", file=sys.stderr)
        try:
            rows.append(measure(job, engines, options.seconds))
        except WrongOutput as error:
            wrong.append(str(error))
        options.json.write_text(json.dumps(rows, indent=1))
    rows = in_order(rows)
    print(report.summary_table(rows))
    if wrong:  # the tables would be silent about them
        sys.exit("\n".join(wrong))
    if options.write:
        report.write(rows, ROOT)
    if options.page:
        report.write_page(rows, options.page, machine())


if __name__ == "__main__":
    main()
