#!/usr/bin/env python3
"""`argent zoo` and `argent inspect`, and the ways a network is named on the command line.

The program is found through the environment variable ARGENT.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT_OF_TREE = ROOT / "examples" / "out_of_tree" / "net.cpp"


def argent(*words):
    return subprocess.run([os.environ["ARGENT"], *map(str, words)], capture_output=True, text=True)


class NetworkCommands(unittest.TestCase):
    def succeed(self, *words):
        result = argent(*words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def fail_with(self, message, *words):
        result = argent(*words)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertIn(message, result.stderr)

    def test_zoo_lists_every_network_with_its_size(self):
        rows = {row["name"]: row for row in json.loads(self.succeed("zoo", "--json"))}
        self.assertEqual(rows["resnet50"]["parameters"], 25557032)
        self.assertEqual(rows["resnet20_cifar"]["macs"], 40551040)
        self.assertEqual(rows["lenet5"]["input"], "f32[1,28,28]")
        table = self.succeed("zoo").splitlines()
        self.assertEqual(len(table), 1 + len(rows))
        for line, name in zip(table[1:], rows):
            self.assertTrue(line.startswith(name + " "), line)

    def test_inspect_shows_layers(self):
        analysis = json.loads(self.succeed("inspect", "lenet5", "--json"))
        layers = {row["name"]: row for row in analysis["layers"] if row["name"]}
        self.assertEqual(list(layers), ["conv1", "conv2", "fc1", "fc2", "fc3"])
        self.assertEqual(layers["conv2"]["parameters"], 16 * 6 * 25 + 16)
        self.assertEqual(layers["conv2"]["macs"], 16 * 6 * 25 * 100)
        self.assertEqual(layers["conv2"]["output"], "f32[1,16,10,10]")
        self.assertEqual(layers["conv2"]["receptive_field"], [14, 14])
        self.assertEqual(analysis["parameters"], 61706)
        self.assertGreaterEqual(analysis["arena_bytes"], analysis["arena_lower_bound"])
        self.assertGreaterEqual(analysis["arena_lower_bound"], 6 * 28 * 28 * 4)
        table = self.succeed("inspect", "lenet5", "--batch", 3)
        self.assertIn("f32[3,16,10,10]", table)
        self.assertIn("lenet5: 61706 parameters", table)
        self.assertIn("arena: ", table)

    def test_inspect_lists_what_a_call_only_copies(self):
        copies = json.loads(self.succeed("inspect", "lenet5", "--json"))["copies"]
        image, *rest = copies
        self.assertEqual((image["layer"], image["file"], image["from"]),
                         ("conv1", "lenet5.cpp", "f32[1,1,28,28]"))
        self.assertIn(" halo [0+0,0+0,2+2,2+2]", image["to"])
        self.assertEqual(image["bytes"], 2 * 4 * 28 * 28)
        for copy in rest:
            self.assertRegex(copy["what"], r"^\w+(\+\w+)*$")
        text = self.succeed("inspect", "lenet5")
        self.assertIn(f"\ncopies and layout conversions in a call: {len(copies)}, ", text)
        self.assertIn("  6.1 KiB  copy  lenet5.cpp:10 conv1  f32[1,1,28,28] -> ", text)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.ag"
            path.write_text("graph @g(%x: f32[2]) {\n  %1: f32[2] = tanh(%x)\n  return y=%1\n}\n")
            self.assertIn("copies and layout conversions in a call: none\n",
                          self.succeed("inspect", path))

    def test_inspect_reads_the_text_form(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.ag"
            path.write_text(self.succeed("inspect", "temporal_cnn", "--graph"))
            self.assertEqual(self.succeed("inspect", path), self.succeed("inspect", "temporal_cnn"))
            self.fail_with("has one batch size; 2 is asked for", "inspect", path, "--batch", 2)
            path.write_text("graph @g(%x: f32[2]) {\n  %1: f32[2] = rule(%x)\n}\n")
            self.fail_with("net.ag:2", "inspect", path)

    def test_a_network_in_cpp(self):
        table = self.succeed("inspect", OUT_OF_TREE)
        self.assertIn("tiny_cnn: 1370 parameters", table)
        function = self.succeed("inspect", f"{OUT_OF_TREE}:tiny_cnn", "--input-shape", "2,1,16,16")
        self.assertIn("f32[2,10]", function)
        self.assertIn("# net.cpp:7 conv", self.succeed("inspect", OUT_OF_TREE, "--graph"))

    def test_a_network_in_cpp_that_cannot_be_had(self):
        self.fail_with("net.cpp has no function 'make_nett' that gives a network", "inspect",
                       f"{OUT_OF_TREE}:make_nett")
        self.fail_with("did you mean 'make_net'?", "bench", f"{OUT_OF_TREE}:make_nett")
        self.fail_with("whose shape is not given", "inspect", f"{OUT_OF_TREE}:tiny_cnn")
        self.fail_with("'1,x' is no shape", "inspect", f"{OUT_OF_TREE}:tiny_cnn",
                       "--input-shape", "1,x")
        self.fail_with("cannot read nowhere.cpp: No such file", "inspect", "nowhere.cpp")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "wrong.cpp"
            path.write_text("#include <argent/argent.h>\n"
                            "ag::Tensor wrong(ag::Tensor x) {\n"
                            '  return ag::conv("conv1", x, 4, {.kernel = 3, .groups = 2});\n'
                            "}\n")
            self.fail_with("wrong.cpp:3: error: conv conv1: groups is 2", "inspect",
                           f"{path}:wrong", "--input-shape", "1,3,8,8")

    def test_mistakes(self):
        self.fail_with("did you mean 'resnet50'?", "inspect", "resnet_50")
        self.fail_with("--batch", "inspect", "lenet5", "--batch", 0)
        self.fail_with("nowhere.safetensors", "inspect", "lenet5", "--weights",
                       "nowhere.safetensors")

    def test_help_has_examples(self):
        for command in ("zoo", "inspect"):
            self.assertIn(f"Examples:\n  argent {command}", self.succeed(command, "--help"))


if __name__ == "__main__":
    unittest.main()
