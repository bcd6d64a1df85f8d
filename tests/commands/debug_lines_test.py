#!/usr/bin/env python3
"""Addresses in a compiled network's files are the user's lines: addr2line reads them back, and gdb,
where it is installed, stops there.

The program is found through the environment variable ARGENT.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from arrays import npy

NET = """#include <argent/argent.h>

ag::Tensor net(ag::Tensor image) {
  ag::Tensor x = ag::conv("first", image, 32, {.kernel = 3, .padding = 1});
  x = ag::relu(x);
  x = ag::conv("second", x, 32, {.kernel = 3, .padding = 1});
  x = ag::conv("twin", x, 32, {.kernel = 3, .padding = 1});
  return ag::conv("third", x, 32, {.kernel = 3, .padding = 1});
}
"""
LINES = {"first": 4, "second": 6, "third": 8}
TWIN = 7  # calls the kernel of "second"


def output(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True,
                          timeout=300).stdout


class DebugLines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("addr2line") or not shutil.which("nm"):
            raise unittest.SkipTest("skipped: no binutils")
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        (cls.folder / "own.cpp").write_text(NET)
        for made in ("own.so", "own.o", "own"):
            cls.compile(made)

    @classmethod
    def compile(cls, made, *words):
        output(os.environ["ARGENT"], "compile", f"{cls.folder / 'own.cpp'}:net", "--input-shape",
               "1,32,32,32", "--seed", 0, "--winograd=off", "-o", cls.folder / made, *words)

    def functions(self, made):
        """Address, size and name of the kernels' functions."""
        for line in output("nm", "-S", "--defined-only", self.folder / made).splitlines():
            parts = line.split(maxsplit=3)
            if len(parts) == 4 and parts[2] in "tT" and re.fullmatch(
                    r"k_[0-9a-f]{32}(_par_for_\w+)?", parts[3]):
                yield int(parts[0], 16), int(parts[1], 16), parts[3]

    def places(self, made, addresses):
        """file:line of each address."""
        return output("addr2line", "-e", self.folder / made,
                      *[hex(address) for address in addresses]).splitlines()

    def layers(self, made):
        """Layers by the addresses where their functions begin."""
        info = output("readelf", "--debug-dump=info", self.folder / made)
        return {int(low, 16): name.split()[0] for name, low in re.findall(
            r"DW_TAG_subprogram\)\s+<\w+>\s+DW_AT_name\s+: (\S[^\n]*)\n"
            r"(?:(?!DW_TAG).)*?DW_AT_low_pc\s+: (0x[0-9a-f]+)", info, re.DOTALL)}

    def check_functions(self, made):
        """Kernels' functions by the layer's name in the debug information."""
        functions = list(self.functions(made))
        self.assertTrue(any("_par_for_" in name for _, _, name in functions), functions)
        layers = self.layers(made)
        found = set()
        for start, size, name in functions:
            places = self.places(made, [start, start + size // 2, start + size - 1])
            self.assertEqual(len(set(places)), 1, f"{name}: {places}")
            layer = layers[start]
            self.assertTrue(places[0].endswith(f"own.cpp:{LINES[layer]}"), f"{layer}: {places}")
            found.add((layer, "_par_for_" in name))
        return found

    def test_every_address_of_a_kernel_is_its_layers_line(self):
        for made in ("own.so", "own"):
            found = self.check_functions(made)
            self.assertIn(("first", False), found)
            self.assertIn(("second", True), found)

    def test_a_shared_kernel_is_the_first_layers_and_its_calls_are_each_layers(self):
        info = output("readelf", "--debug-dump=info", self.folder / "own.so")
        self.assertIn("second conv+add and 1 more\n", info)
        self.assertNotIn("twin conv", info)
        calls = output("readelf", "--debug-dump=decodedline", self.folder / "own.so")
        self.assertRegex(calls, rf"own\.cpp +{TWIN} +0x")

    def test_an_object_keeps_its_lines_when_it_is_linked(self):
        (self.folder / "client.c").write_text('#include "own.h"\n'
                                              "int main(void) { return own_model() == 0; }\n")
        output("cc", "-I", self.folder, self.folder / "client.c", self.folder / "own.o", "-lm",
               "-o", self.folder / "client")
        output(self.folder / "client")
        self.check_functions("client")

    def test_several_levels(self):
        self.compile("levels.so", "--target", "x86-64-v2,x86-64-v3")
        self.check_functions("levels.so")

    def test_gdb_stops_at_the_users_line(self):
        if not shutil.which("gdb"):
            self.skipTest("skipped: no gdb")
        npy(self.folder / "x.npy", (1, 32, 32, 32), [0.5] * 32768)
        said = subprocess.run(
            ["gdb", "-batch", "-nx", "-ex", "set startup-with-shell off", "-ex",
             "break own.cpp:6", "-ex", "run", "-ex", "continue", "-ex", "backtrace 3", "--args",
             str(self.folder / "own"), "x.npy", "y.npy"], capture_output=True, text=True,
            cwd=self.folder, timeout=300)
        if "ptrace" in said.stderr or "Could not trace the inferior" in said.stderr:
            self.skipTest("skipped: this system lets nobody trace a process")
        self.assertRegex(said.stdout, r"\nBreakpoint 1.*own\.cpp:6", said.stderr)
        # First where the kernel is called, then in it.
        self.assertRegex(said.stdout, r"#0 .*second conv\+add .*own\.cpp:6")
        self.assertRegex(said.stdout, r"#1 .*second .*own\.cpp:6")


if __name__ == "__main__":
    unittest.main()
