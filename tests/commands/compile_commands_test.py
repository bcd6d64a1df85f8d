#!/usr/bin/env python3
"""`argent compile` and `argent run`: every output kind, the same numbers from each, mistakes.

The program is found through the environment variable ARGENT.
"""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

GRAPH = """graph @scale(%x: f32[2,3]) {
  %w: f32[3] = parameter()
  %1: f32[2,3] = broadcast(%w, axes=[1])
  %2: f32[2,3] = multiply(%x, %1)
  return y=%2
}
"""


def npy(path, shape, values):
    """Writes float32 values as .npy."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                     + struct.pack(f"<{len(values)}f", *values))


def values_of(path):
    data = path.read_bytes()
    body = data[10 + struct.unpack("<H", data[8:10])[0]:]
    return list(struct.unpack(f"<{len(body) // 4}f", body))


def safetensors(path, name, values):
    header = json.dumps({name: {"dtype": "F32", "shape": [len(values)],
                                "data_offsets": [0, 4 * len(values)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header
                     + struct.pack(f"<{len(values)}f", *values))


class CompileCommands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.graph = self.folder / "scale.ag"
        self.graph.write_text(GRAPH)
        self.weights = self.folder / "scale.safetensors"
        safetensors(self.weights, "w", [2.0, -3.0, 0.5])
        self.x = self.folder / "x.npy"
        npy(self.x, (2, 3), [1, 2, 3, 4, 5, 6])
        self.wanted = [2.0, -6.0, 1.5, 8.0, -15.0, 3.0]

    def argent(self, *words, code=0):
        result = subprocess.run([os.environ["ARGENT"], *map(str, words)], capture_output=True,
                                text=True, cwd=self.folder)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def fail_with(self, message, *words):
        result = self.argent(*words, code=1)
        self.assertEqual(result.stdout, "")
        self.assertIn(message, result.stderr)

    def test_a_library(self):
        self.argent("compile", self.graph, "--weights", self.weights)
        self.assertTrue((self.folder / "scale.h").is_file())
        first = (self.folder / "scale.so").read_bytes()
        y = self.folder / "y.npy"
        report = json.loads(self.argent("run", "scale.so", "--input", self.x, "--output", y,
                                        "--json").stdout)
        self.assertEqual(report["outputs"], [{"name": "y", "type": "f32[2,3]", "file": str(y)}])
        self.assertEqual(values_of(y), self.wanted)
        self.argent("compile", self.graph, "--weights", self.weights, "--no-cache")
        self.assertEqual((self.folder / "scale.so").read_bytes(), first)

    def test_a_program(self):
        self.argent("compile", self.graph, "--weights", self.weights, "-o", "scale")
        subprocess.run([self.folder / "scale", self.x, self.folder / "z.npy"], check=True)
        self.assertEqual(values_of(self.folder / "z.npy"), self.wanted)

    def test_in_memory(self):
        printed = self.argent("run", self.graph, "--weights", self.weights, "-i", self.x).stdout
        self.assertEqual(printed, "y: f32[2,3] 2 -6 1.5 8 -15 3\n")

    def test_other_kinds(self):
        for kind, ending in (("a", ".a"), ("obj", ".o"), ("header", ".h")):
            report = self.argent("compile", self.graph, "--weights", self.weights, "--emit", kind,
                                 "-o", "other" + ending, "--json").stdout
            self.assertGreater(json.loads(report)["bytes"], 100)
        text = self.argent("compile", self.graph, "--emit", "ag", "-o", "-").stdout
        self.assertIn("%2: f32[2,3] = multiply(%x, %1)", text)
        kernels = self.argent("compile", self.graph, "--emit", "kernels", "-o", "-").stdout
        self.assertIn("graph @", kernels)
        loops = self.argent("compile", self.graph, "--weights", self.weights, "--emit", "stmt",
                            "-o", "-").stdout
        self.assertIn("for (", loops)

    def test_where_the_time_goes(self):
        words = ("compile", "lenet5", "--seed", 0, "-o", "profiled.so", "--profile", "--no-cache")
        made = json.loads(self.argent(*words, "--json").stdout)
        profile = made["profile"]
        stages = [profile[stage + "_seconds"] for stage in ("network", "passes", "kernels", "link")]
        self.assertGreaterEqual(min(stages), 0)
        self.assertAlmostEqual(sum(stages), made["seconds"], delta=0.05 * made["seconds"] + 0.05)
        rows = profile["kernels"]
        self.assertEqual(len(rows), made["kernels"])
        times = [row["lowering_ms"] + row["llvm_ms"] for row in rows]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertGreater(min(times), 0)
        self.assertGreater(min(row["object_bytes"] for row in rows), 0)
        self.assertTrue(any(row["layer"] == "conv2" and row["file"] == "lenet5.cpp" and row["line"]
                            for row in rows), rows)
        text = self.argent(*words).stdout
        self.assertRegex(text, r"\nstages: network [\d.]+ s, passes and plan [\d.]+ s, kernels ")
        self.assertRegex(text, r"\nlowering ms +LLVM ms +% +object KiB +calls +kernel\n")
        self.assertRegex(text, r"\n +\d+ +\d+ +[\d.]+ +[\d.]+ +\d+  conv2 lenet5\.cpp:\d+  conv")

    def test_untrained_parameters_are_drawn(self):
        note = "note: no --weights: the parameters of scale are drawn from seed 0\n"
        self.assertEqual(self.argent("compile", self.graph, "-o", "a.so", "--name", "n").stderr,
                         note)
        result = self.argent("compile", self.graph, "-o", "b.so", "--name", "n", "--seed", 0)
        self.assertEqual(result.stderr, "")

    def test_ptx_explains_itself(self):
        given = ("compile", self.graph, "--weights", self.weights, "--target")
        for target in ("cuda-sm_80", "cuda-sm_90"):
            self.argent(*given, target, "--emit", "ptx", "-o", "scale.ptx")
            text = (self.folder / "scale.ptx").read_text()
            self.assertIn(f"// scale for {target}\n", text)
            self.assertRegex(text, r"//   upload x \(caller's x, arena\+\d+\)\n")
            self.assertRegex(text, r"//   download y \(arena\+\d+, caller's y\)\n")
            self.assertRegex(text, r"1 x 1 x 1 blocks of 64 x 1 x 1 threads")
            self.assertEqual(text.count(".version"), 1)
            self.assertEqual(text.count(".visible .entry"), text.count("blocks of"))

    def test_a_device_is_no_processor(self):
        given = ("--weights", self.weights, "--target", "cuda-sm_80")
        self.fail_with("cuda-sm_80 has no assembly but PTX", "compile", self.graph, *given,
                       "--emit", "asm")
        self.fail_with("one file cannot hold code for", "compile", self.graph, "--weights",
                       self.weights, "--target", "x86-64-v3,cuda-sm_80")

    def test_mistakes(self):
        self.broken = self.folder / "bad.safetensors"
        self.broken.write_bytes(b"not weights")
        given = ("compile", self.graph, "--weights", self.weights)
        self.fail_with("bad.safetensors: not a weights file", "compile", self.graph, "--weights",
                       self.broken)
        self.fail_with("no output kind 'lib'", *given, "--emit", "lib")
        self.fail_with("unknown target 'arm'", *given, "--target", "arm")
        self.fail_with("a binary cannot be printed", *given, "--emit", "so", "-o", "-")
        self.fail_with("nowhere/scale.so", *given, "-o", "nowhere/scale.so")
        bad = self.folder / "bad.npy"
        npy(bad, (3, 3), [0] * 9)
        self.fail_with("holds f32[3,3], but input 'x' of forward is f32[2,3]", "run", self.graph,
                       "--weights", self.weights, "--input", bad)
        self.fail_with("1 outputs are expected, but 2 are given", "run", self.graph,
                       "--weights", self.weights, "-i", self.x, "-o", "a.npy", "-o", "b.npy")


if __name__ == "__main__":
    unittest.main()
