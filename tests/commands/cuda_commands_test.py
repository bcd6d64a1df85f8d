#!/usr/bin/env python3
"""Networks for GPUs through the command and from C, on the tests' driver in the place of
libcuda.so.1: run, bench, train, eval, compile, and every error a machine can give.

The program is found through the environment variable ARGENT, the driver through FAKE_CUDA_FOLDER.
"""
import gzip
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

from arrays import npy, values_of

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DIGITS = SOURCE / "data" / "mnist-sample"


def first_digits(folder, count):
    """A data set of the first digits of the repository's."""
    folder.mkdir()
    for part in ("train", "t10k"):
        for kind, size, head in (("images-idx3", 784, 16), ("labels-idx1", 1, 8)):
            data = gzip.decompress((DIGITS / f"{part}-{kind}-ubyte.gz").read_bytes())
            data = data[:4] + struct.pack(">I", count) + data[8:head + size * count]
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(data))
    return f"mnist:{folder}"


class CudaCommands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.driver = os.environ["FAKE_CUDA_FOLDER"]
        self.image = npy(self.folder / "x.npy", (1, 1, 28, 28),
                         [(i * 37 % 101) / 50 - 1 for i in range(784)])

    def call(self, words, fake="", **environment):
        environment = {**os.environ, "LD_LIBRARY_PATH": self.driver, "FAKE_CUDA": fake,
                       "FAKE_CUDA_LOG": str(self.folder / "calls"), "ARGENT_PTXAS": "",
                       **environment}
        return subprocess.run(list(map(str, words)), capture_output=True, text=True,
                              cwd=self.folder, env=environment)

    def argent(self, *words, **environment):
        result = self.call([os.environ["ARGENT"], *words], **environment)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def fail_with(self, message, *words, **environment):
        result = self.call([os.environ["ARGENT"], *words], **environment)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn(message, result.stderr)

    def json(self, *words, **environment):
        return json.loads(self.argent(*words, "--json", **environment))

    def calls(self, name):
        """How often the driver was called so, in the last command."""
        lines = (self.folder / "calls").read_text().splitlines()
        self.assertIn("reports: ", lines)
        return sum(line.split(" ")[0] == name for line in lines)

    def assert_alike(self, values, wanted):
        self.assertEqual(len(values), len(wanted))
        for one, other in zip(values, wanted):
            self.assertAlmostEqual(one, other, delta=1e-5)

    def test_run(self):
        given = ("run", "lenet5", "--seed", 3, "-i", self.image)
        self.argent(*given, "-o", "processor.npy")
        wanted = values_of(self.folder / "processor.npy")
        for target in ("cuda-sm_80", "cuda"):
            self.argent(*given, "--target", target, "-o", "device.npy")
            self.assert_alike(values_of(self.folder / "device.npy"), wanted)
            self.assertEqual(self.calls("cuGraphLaunch"), 1)
        self.assertGreater(max(wanted) - min(wanted), 0)
        # The level of the device that is there.
        self.argent(*given, "--target", "cuda-sm_90", "-o", "device.npy", fake="capability=90")
        self.assert_alike(values_of(self.folder / "device.npy"), wanted)
        self.argent(*given, "--target", "cuda", "-o", "device.npy", fake="captures=0")
        self.assertEqual(self.calls("cuGraphLaunch"), 0)
        self.assert_alike(values_of(self.folder / "device.npy"), wanted)

    def test_a_library_of_two_levels(self):
        self.argent("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80,cuda-sm_90", "-o",
                    "net.so")
        self.argent("run", "lenet5", "--seed", 3, "-i", self.image, "-o", "y.npy")
        wanted = values_of(self.folder / "y.npy")
        for capability, level in ((86, "cuda-sm_80"), (90, "cuda-sm_90"), (120, "cuda-sm_90")):
            fake = f"capability={capability}"
            result = self.json("bench", "net.so", "--runs", 1, fake=fake)
            self.assertEqual(result["target"], level)
            self.argent("run", "net.so", "-i", self.image, "-o", "y.npy", fake=fake)
            self.assert_alike(values_of(self.folder / "y.npy"), wanted)
        needed = subprocess.run(["readelf", "-d", self.folder / "net.so"], capture_output=True,
                                text=True).stdout
        self.assertIn("libc.so.6", needed)
        for library in ("libcuda", "libstdc++", "libargent"):
            self.assertNotIn(library, needed)

    def test_machine_code_where_there_is_an_assembler(self):
        fake = self.folder / "ptxas"
        fake.write_text("#!/bin/sh\n[ $1 = -arch=sm_80 ] && printf '\\177ELF' > $4\n")
        fake.chmod(0o755)
        given = ("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "-o", "net.so")
        self.assertEqual(self.json(*given, ARGENT_PTXAS=str(fake))["ptxas"], str(fake))
        run = ("run", "net.so", "-i", self.image, "-o", "y.npy")
        self.argent(*run)  # the driver refuses the cubin, and takes the PTX
        self.assertIn("cuModuleLoadDataEx cubin\n", (self.folder / "calls").read_text())
        self.assertEqual(self.calls("cuModuleLoadDataEx"), 2)
        self.argent(*run, fake="capability=90")  # a cubin of another generation is not tried
        self.assertEqual(self.calls("cuModuleLoadDataEx"), 1)
        fake.write_text("#!/bin/sh\necho no such architecture\nexit 2\n")
        self.fail_with("no such architecture", *given, ARGENT_PTXAS=str(fake))

    def test_bench_times_every_kernel(self):
        result = self.json("bench", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "--kernels",
                           "--runs", 2, "--trace", "trace.json")
        entry = result["entries"][0]
        kernels = [step for step in entry["kernels"] if step["schedule"]]
        self.assertGreater(len(kernels), 5)
        for step in kernels:
            self.assertGreaterEqual(step["ms"], 1)  # the tests' driver takes 1 ms for a launch
        names = [step["kernel"] for step in entry["kernels"]]
        self.assertEqual((names[0], names[-1]), ("upload image", "download logits"))
        self.assertEqual(entry["peak_gflops"], 256)  # 2 multiprocessors of 64 lanes at 1 GHz
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        slices = [event for event in events if event["ph"] == "X"]
        self.assertEqual(len(slices), len(entry["kernels"]))
        for earlier, later in zip(slices, slices[1:]):
            self.assertLessEqual(earlier["ts"] + earlier["dur"], later["ts"] + 1e-3)
        text = self.argent("bench", "lenet5", "--seed", 3, "--target", "cuda", "--kernels",
                           "--runs", 1)
        self.assertIn("(Fake 100, sm_80)", text)

    def test_train_and_eval(self):
        data = first_digits(self.folder / "digits", 8)
        given = ("train", "lenet5", "--data", data, "--batch", 4, "--epochs", 1, "--seed", 3,
                 "--optimizer", "sgd", "--lr", 0.01, "--momentum", 0.9)
        device = self.json(*given, "--target", "cuda-sm_80", "--save", "device.safetensors")
        processor = self.json(*given, "--save", "processor.safetensors")
        self.assertEqual(device["steps"], 2)
        self.assertAlmostEqual(device["epochs"][0]["loss"], processor["epochs"][0]["loss"],
                               delta=1e-5)
        self.assertAlmostEqual(device["test_loss"], processor["test_loss"], delta=1e-5)
        self.argent("convert", "device.safetensors", "device.npz")
        evaluated = ("eval", "lenet5", "--weights", "device.safetensors", "--data", data)
        there = self.json(*evaluated, "--target", "cuda")
        here = self.json(*evaluated)
        self.assertEqual(there["correct"], here["correct"])
        self.assertEqual(there["images"], 8)

    def test_weights_of_a_library(self):
        self.argent("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "-o", "net.so")
        data = first_digits(self.folder / "digits", 4)
        self.argent("train", "lenet5-mnist", "--data", data, "--batch", 4, "--epochs", 1, "--save",
                    "w.safetensors", "--target", "cuda")  # the recipe's optimizer
        run = ("-i", self.image, "--weights", "w.safetensors", "-o")
        self.argent("run", "net.so", *run, "device.npy")
        self.argent("run", "lenet5", *run, "processor.npy")
        self.assert_alike(values_of(self.folder / "device.npy"),
                          values_of(self.folder / "processor.npy"))

    def test_c_program_and_executable(self):
        self.argent("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "-o", "lenet5.so")
        self.argent("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "-o", "lenet5.a")
        self.argent("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "--emit", "exe",
                    "-o", "net")
        self.argent("run", "lenet5", "--seed", 3, "-i", self.image, "-o", "y.npy")
        wanted = values_of(self.folder / "y.npy")
        source = SOURCE / "examples" / "cuda_client" / "on_device.c"
        for library in ("lenet5.so", "lenet5.a"):
            built = self.call(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-I.", source,
                               library, "-L" + self.driver, "-l:libcuda.so.1", "-Wl,-rpath,.",
                               "-o", "on_device"], LD_LIBRARY_PATH="")
            self.assertEqual(built.returncode, 0, built.stderr)
            ran = self.call(["./on_device"])
            self.assertEqual(ran.returncode, 0, ran.stderr)
            for line, what in zip(ran.stdout.splitlines(), ("host", "device"), strict=True):
                self.assertTrue(line.startswith(what + " memory: "), line)
                self.assert_alike(list(map(float, line.split()[2:])), wanted)
            self.assertIn("alive: \n", (self.folder / "calls").read_text())
        ran = self.call(["./net", self.image, "z.npy"])
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assert_alike(values_of(self.folder / "z.npy"), wanted)
        ran = self.call(["./net", self.image, "z.npy"], fake="devices=0")
        self.assertIn("the CUDA driver finds no device on this machine", ran.stderr)

    def test_what_a_machine_lacks(self):
        given = ("run", "lenet5", "--seed", 3, "-i", self.image, "--target")
        nowhere = {"ARGENT_CUDA_DRIVER": "/nowhere/libcuda.so.1"}
        for target in ("cuda-sm_80", "cuda"):
            self.fail_with(f"target {target}: no CUDA driver on this machine: /nowhere", *given,
                           target, **nowhere)
        self.fail_with("no CUDA driver on this machine", "train", "lenet5", "--data",
                       f"mnist:{DIGITS}", "--target", "cuda", **nowhere)
        self.fail_with("the driver is for CUDA 10.2; needed is 11.4 or later".replace(
            "driver is", "CUDA driver is"), *given, "cuda", fake="driver_version=10020")
        self.fail_with("finds no device on this machine", *given, "cuda", fake="devices=0")
        self.fail_with("the device is sm_75, below every known level", *given, "cuda",
                       fake="capability=75")
        self.fail_with("code for cuda-sm_90 cannot run here: the device is sm_80", *given,
                       "cuda-sm_90")
        self.fail_with("device 2 asked for; there are 2", *given, "cuda", ARGENT_CUDA_DEVICE="2")
        self.fail_with("is 'one', which is no device's index", *given, "cuda",
                       ARGENT_CUDA_DEVICE="one")
        self.argent(*given, "cuda", ARGENT_CUDA_DEVICE="1")
        self.fail_with("bytes of device memory; device 0 (Fake 100) has 1000", *given, "cuda",
                       fake="memory_bytes=1000")
        self.fail_with("the driver is older than the program's PTX: update it", *given, "cuda",
                       fake="newest_ptx=60")
        self.argent("compile", "lenet5", "--seed", 3, "--target", "cuda-sm_80", "-o", "net.so")
        for words in (("run", "net.so", "-i", self.image), ("bench", "net.so")):
            self.fail_with("no CUDA driver on this machine", *words, **nowhere)
            self.fail_with("compiled for sm_80 and later; device 0 (Fake 100) is sm_75", *words,
                           fake="capability=75")


if __name__ == "__main__":
    unittest.main()
