#!/usr/bin/env python3
"""`argent train` and `argent eval` on the digits of the repository: learning, stopping and resuming
to the same bytes, evaluation of networks and of compiled libraries.

The program is found through the environment variable ARGENT, the data through ARGENT_DATA where a
test needs more.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from arrays import npy

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DIGITS = f"mnist:{SOURCE / 'data' / 'mnist-sample'}"


class TrainCommands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def start(self, *words):
        return subprocess.Popen([os.environ["ARGENT"], *map(str, words)], cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def argent(self, *words, code=0):
        process = self.start(*words)
        output, errors = process.communicate()
        self.assertEqual(process.returncode, code, output + errors)
        return output if code == 0 else errors

    def train(self, *words, code=0):
        return self.argent("train", "lenet5", "--data", DIGITS, "--batch", 128, "--seed", 3,
                           "--threads", 2, *words, code=code)

    def saved(self, name):
        return (self.folder / name).read_bytes()

    def check_checkpoint_as_weights(self):
        """A checkpoint stands wherever weights do: the state of its run is passed over."""
        checkpoint = "run/checkpoint.safetensors"
        npy(self.folder / "image.npy", (1, 1, 28, 28), [i % 7 / 7 for i in range(784)])
        outputs = []
        for weights in (checkpoint, "whole.safetensors"):
            self.argent("compile", "lenet5", "--weights", weights, "--batch", 1, "-o", "digit.so")
            self.argent("run", "digit.so", "--input", "image.npy", "--output", "library.npy")
            self.argent("run", "lenet5", "--weights", weights, "--input", "image.npy", "--output",
                        "network.npy")
            evaluated = json.loads(self.argent("eval", "lenet5", "--weights", weights, "--data",
                                               DIGITS, "--json"))
            outputs.append((self.saved("library.npy"), self.saved("network.npy"),
                            self.saved("digit.so"), evaluated["correct"]))
        self.assertEqual(outputs[0], outputs[1])
        self.train("--epochs", 1, "--weights", checkpoint, "--save", "third.safetensors")
        self.argent("convert", checkpoint, "plain.safetensors")
        self.assertEqual(self.saved("plain.safetensors"), self.saved("whole.safetensors"))

    def test_train_stop_resume_eval(self):
        whole = json.loads(self.train("--epochs", 2, "--save", "whole.safetensors", "--json"))
        self.assertEqual([row["epoch"] for row in whole["epochs"]], [1, 2])
        self.assertEqual(whole["steps"], 2 * (17000 // 128))
        self.assertGreater(whole["test_accuracy"], 93)

        self.train("--epochs", 1, "--save", "one.safetensors", "--checkpoint", "run")
        self.assertNotEqual(self.saved("one.safetensors"), self.saved("whole.safetensors"))
        self.train("--epochs", 2, "--save", "two.safetensors", "--checkpoint", "run", "--resume")
        self.assertEqual(self.saved("two.safetensors"), self.saved("whole.safetensors"))
        self.check_checkpoint_as_weights()

        result = json.loads(self.argent("eval", "lenet5", "--weights", "whole.safetensors",
                                        "--data", DIGITS, "--json"))
        self.assertEqual(result["images"], 1000)
        self.assertAlmostEqual(result["accuracy"], whole["test_accuracy"], delta=0.11)
        self.assertGreaterEqual(result["top5"], result["accuracy"])
        self.argent("compile", "lenet5", "--weights", "whole.safetensors", "--batch", "64",
                    "-o", "digits.so")
        library = json.loads(self.argent("eval", "digits.so", "--data", DIGITS, "--json"))
        self.assertAlmostEqual(library["accuracy"], result["accuracy"], delta=0.11)

    def test_stopped_by_a_signal(self):
        words = ("train", "lenet5", "--data", DIGITS, "--epochs", 40, "--batch", 128,
                 "--checkpoint", "run", "--checkpoint-steps", 5)
        process = self.start(*words)
        checkpoint = self.folder / "run" / "checkpoint.safetensors"
        for _ in range(1200):
            if checkpoint.exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("stopped after step", errors)
        self.assertIn("the same command with --resume goes on from there", errors)
        # A run killed without warning leaves the last checkpoint whole.
        process = self.start(*words, "--resume")
        time.sleep(0.5)
        process.kill()
        process.communicate()
        data = checkpoint.read_bytes()
        header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        end = max(entry["data_offsets"][1] for name, entry in header.items() if name[0] != "_")
        self.assertEqual(len(data), 8 + int.from_bytes(data[:8], "little") + end)

    def test_mistakes(self):
        self.train("--epochs", 1, "--checkpoint", "run")
        errors = self.train("--epochs", 2, "--checkpoint", "run", "--resume", "--lr", 0.5, code=1)
        self.assertIn("was made with learning rate '0.001', but this run has '0.5'", errors)
        errors = self.train("--resume", code=1)
        self.assertIn("resume: no checkpoint folder is given", errors)
        (self.folder / "run" / "checkpoint.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
        errors = self.train("--checkpoint", "run", "--resume", code=1)
        self.assertIn("checkpoint.safetensors", errors)
        for name, message in (("nowhere/w.safetensors", "cannot write nowhere/w.safetensors"),
                              ("w.txt", "cannot write weights to w.txt: unknown ending"),
                              ("w.npy", "a .npy file holds one tensor, but there are 10")):
            errors = self.train("--save", name, code=1)
            self.assertIn(message, errors)
            self.assertNotIn("epoch 1", errors)  # no training whose result is lost
        errors = self.argent("eval", "resnet20_cifar", "--seed", 0, "--data", DIGITS, code=1)
        self.assertIn("is not made for them", errors)
        errors = self.argent("train", "resnet20_cifar", "--data", DIGITS, code=1)
        self.assertIn("takes f32[64,3,32,32]", errors)

    def test_published_weights(self):
        """The published accuracies of two residual networks on all test images of CIFAR-10."""
        data = os.environ.get("ARGENT_DATA")
        if not data or not (pathlib.Path(data) / "cifar-10-batches-bin").exists():
            print("skipped: needs CIFAR-10 and the networks' weights below ARGENT_DATA")
            return
        for network, weights, wanted in (("resnet20_cifar", "resnet20-12fca82f.th", 9173),
                                         ("resnet32_cifar", "resnet32-d509ac18.th", 9263)):
            with self.subTest(network):
                result = json.loads(self.argent(
                    "eval", network, "--weights", f"{data}/cifar10_resnets/{weights}", "--data",
                    f"cifar10:{data}", "--threads", 2, "--json"))
                self.assertEqual(result["images"], 10000)
                self.assertLessEqual(abs(result["correct"] - wanted), 2, result)


if __name__ == "__main__":
    unittest.main()
