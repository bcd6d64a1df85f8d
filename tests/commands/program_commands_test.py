#!/usr/bin/env python3
"""`argent bench`, `explain` and `convert`; a network on its way from the zoo to a library's output.

The program is found through the environment variable ARGENT.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from arrays import npy, values_of

SUM = """graph @sum(%left: f32[2,3], %right: f32[2,3]) {
  %1: f32[2,3] = add(%left, %right)  # sum.cpp:7 total
  %2: f32[2,3] = multiply(%left, %right)  # sum.cpp:8 product
  return sum=%1, product=%2
}
"""


class ProgramCommands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.sum = self.folder / "sum.ag"
        self.sum.write_text(SUM)
        self.left = npy(self.folder / "left.npy", (2, 3), [1, 2, 3, 4, 5, 6])
        self.right = npy(self.folder / "right.npy", (2, 3), [10, 20, 30, 40, 50, 60])

    def argent(self, *words, code=0):
        result = subprocess.run([os.environ["ARGENT"], *map(str, words)], capture_output=True,
                                text=True, cwd=self.folder)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def json(self, *words):
        return json.loads(self.argent(*words, "--json").stdout)

    def test_lenet5_from_the_zoo_to_the_output_of_its_library(self):
        image = npy(self.folder / "x.npy", (2, 1, 28, 28),
                    [(i * 37 % 101) / 50 - 1 for i in range(2 * 784)])
        made = self.json("compile", "lenet5", "--seed", 3, "--batch", "1,2", "-o", "lenet5.so")
        self.assertEqual([entry["name"] for entry in made["entries"]],
                         ["forward_b1", "forward_b2"])
        for entry in made["entries"]:
            self.assertGreaterEqual(entry["arena_bytes"], entry["arena_lower_bound"])
        self.assertEqual(made["name"], "lenet5")
        self.assertLessEqual(made["cached"], made["kernels"])
        self.check_inspected(made)
        ran = self.json("run", "lenet5.so", "--input", image, "--output", "library.npy")
        self.assertEqual(ran["entry"], "forward_b2")
        self.argent("run", "lenet5", "--seed", 3, "--input", image, "--output", "memory.npy")
        library, memory = (values_of(self.folder / f"{name}.npy") for name in ("library", "memory"))
        self.assertEqual(len(library), 20)
        self.assertGreater(max(library) - min(library), 0)
        self.assertEqual(library, memory)

    def check_inspected(self, made):
        """`argent inspect` of the library says what `argent compile` said, and what is inside."""
        self.assertEqual(self.json("inspect", "lenet5")["arena_bytes"],
                         made["entries"][0]["arena_bytes"])
        about = self.json("inspect", "lenet5.so")
        self.assertEqual((about["name"], about["target"]), ("lenet5", made["target"]))
        self.assertEqual([(entry["name"], entry["arena_bytes"]) for entry in about["entries"]],
                         [(entry["name"], entry["arena_bytes"]) for entry in made["entries"]])
        self.assertEqual(about["entries"][1]["inputs"],
                         [{"name": "image", "type": "f32[2,1,28,28]"}])
        self.assertEqual([output["type"] for output in about["entries"][1]["outputs"]],
                         ["f32[2,10]"])
        self.assertEqual(about["parameters"], 61706)
        self.assertIn({"name": "conv2.weight", "type": "f32[16,6,5,5]", "role": "parameter"},
                      about["tensors"])
        self.assertEqual(about["file_bytes"], (self.folder / "lenet5.so").stat().st_size)
        self.assertTrue(0 < about["code_bytes"] < about["file_bytes"], about)
        self.assertGreaterEqual(about["weight_bytes"], 4 * 61706)

    def test_tensors_by_name(self):
        self.argent("run", self.sum, "--input", "right=right.npy", "--input", "left.npy",
                    "--output", "product=p.npy", "--output", "s.npy")
        self.assertEqual(values_of(self.folder / "s.npy"), [11, 22, 33, 44, 55, 66])
        self.assertEqual(values_of(self.folder / "p.npy"), [10, 40, 90, 160, 250, 360])

    def test_inputs_that_do_not_fit(self):
        wide = npy(self.folder / "wide.npy", (2, 3), [0] * 6, "d", "<f8")
        short = self.folder / "short.npy"
        short.write_bytes(self.left.read_bytes()[:-4])
        for words, message in (
                (("--input", wide, "--input", self.right),
                 f"{wide} holds f64[2,3], but input 'left' of forward is f32[2,3]"),
                (("--input", short, "--input", self.right), f"{short}: "),
                (("--input", self.left, "--input", self.right, "--output", "nowhere/y.npy"),
                 "cannot write nowhere/y.npy")):
            error = self.argent("run", self.sum, *words, code=1).stderr
            self.assertIn(message, error)
            self.assertTrue(error.startswith("error: "), error)

    def test_bench(self):
        report = self.json("bench", self.sum, "--runs", 7, "--kernels")
        self.assertEqual(report["name"], "sum")
        self.assertEqual(report["threads"], 1)
        self.assertGreater(report["peak_gflops"], 0)
        entry, = report["entries"]
        self.assertEqual((entry["entry"], entry["runs"]), ("forward", 7))
        self.assertLessEqual(entry["min_ms"], entry["median_ms"])
        self.assertLess(entry["percent_of_peak"], 110)
        self.assertTrue(entry["kernels"])
        for kernel in entry["kernels"]:
            self.assertGreater(kernel["ms"], 0)
        self.assertEqual(entry["kernels"][0]["file"], "sum.cpp")
        self.argent("compile", self.sum, "-o", "sum.so")
        text = self.argent("bench", "sum.so", "--runs", 3, "--threads", 2).stdout
        self.assertRegex(text, r"^forward: min .* of 3 runs; .* GFLOP/s, .* %.*2 threads\)\n$")

    def test_explain(self):
        report = self.json("explain", self.sum, "--nest")
        self.assertTrue(report["kernels"])
        for kernel in report["kernels"]:
            self.assertEqual(kernel["class"], "pointwise")
            self.assertGreater(kernel["object_bytes"], 0)
            self.assertGreater(kernel["calls"], 0)
            self.assertIn("graph @", kernel["text"])
            self.assertIn("produce", kernel["loop_nest"])
        text = self.argent("explain", self.sum, "--kernel", "pointwise").stdout
        for part in ("schedule ", "operands  f32[", "sum.cpp:7", "bytes, compiled in"):
            self.assertIn(part, text)

    def test_convert_weights(self):
        npy(self.folder / "w.npy", (2, 2), [1, 2, 3, 4])
        self.assertEqual(self.json("convert", "w.npy", "w.safetensors"),
                         {"kind": "weights", "from": "w.npy", "to": "w.safetensors",
                          "tensors": 1, "bytes": 16})
        self.argent("convert", "w.safetensors", "w.npz")
        self.argent("convert", "w.npz", "again.npy")
        self.assertEqual(values_of(self.folder / "again.npy"), [1, 2, 3, 4])

    def test_convert_graphs(self):
        loose = self.folder / "loose.ag"
        loose.write_text(SUM.replace("%1", "%first").replace(" = ", "   =  "))
        self.argent("convert", "loose.ag", "tidy.ag")
        self.assertEqual((self.folder / "tidy.ag").read_text(), SUM)
        self.assertEqual(self.json("convert", "lenet5", "lenet5.ag", "--batch", 2)["kind"], "graph")
        self.assertIn("f32[2,1,28,28]", (self.folder / "lenet5.ag").read_text())

    def test_assembly(self):
        text = self.argent("compile", self.sum, "--emit", "asm", "--target", "x86-64-v3").stdout
        self.assertRegex(text, r"k_\w+:\n  ")
        self.assertIn("vaddps", text)

    def test_other_machines_are_compiled_for(self):
        made = self.json("compile", self.sum, "--target", "aarch64", "-o", "arm.so")
        self.assertEqual(made["target"], "aarch64")

    def test_help_has_examples(self):
        for command in ("bench", "compile", "convert", "explain", "run"):
            self.assertIn(f"Examples:\n  argent {command}", self.argent(command, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
