#!/usr/bin/env python3
"""Reads every source file and holds it to the architecture and the house rules.

What each folder may include (docs/architecture.md, "The shape"), which folders may read Halide's,
LLVM's and other libraries' headers, file sizes, line lengths, and that CMake knows every source.
"""
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder -> our folders it may include from. A folder not named here may include everything.
MAY_INCLUDE = {
    "ir": {"ir"},
    "passes": {"ir", "passes"},
    "runtime": {"runtime"},
    "codegen": {"ir", "passes", "runtime", "codegen"},
    "frontend": {"ir", "frontend"},
    "deploy": {"ir", "passes", "runtime", "codegen", "frontend", "deploy"},
    "train": {"ir", "passes", "runtime", "codegen", "frontend", "deploy", "train"},
}

# Libraries' headers (a pattern on the path between the brackets) -> the only places that read them.
CONFINED = [
    (r"Halide", ["codegen/lower/", "codegen/schedule/", "codegen/kernel/", "tests/gpu/",
                 "tests/ptx/ptx_halide"]),
    (r"(llvm|llvm-c|lld)/", ["codegen/link/", "codegen/nvptx/"]),
    (r"(google/protobuf|onnx)/", ["frontend/onnx/"]),
    (r"pybind11/", ["python/"]),
    (r"(cuda|cudnn|cublas)\w*\.h", ["runtime/cuda", "tests/ptx/cuda_declarations"]),
]

# The runtime is linked into compiled networks, which need libc alone: of the C++ library it may use
# only headers without code behind them.
RUNTIME_MAY_READ = re.compile(
    r"[\w/-]+\.h|c(stdint|stddef|string|math|stdlib|stdio|stdarg|errno|time|limits|float)"
    r"|atomic|bit|concepts|initializer_list|limits|new|type_traits|utility|version")

MAX_LINES = 700
MAX_COLUMNS = 100
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
BUILT_FOLDERS = {*MAY_INCLUDE, "tools", "tests", "benchmarks"}


def tracked(*patterns):
    """Paths of the checkout's files that match, relative to its root; without git, all files."""
    listing = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "--",
         *patterns], capture_output=True, text=True)
    if listing.returncode == 0:
        names = listing.stdout.splitlines()
    else:
        hidden = re.compile(r"^(build[^/]*|\..*)$")
        names = [str(p.relative_to(ROOT)) for pattern in patterns for p in ROOT.rglob(pattern)
                 if not hidden.match(p.relative_to(ROOT).parts[0])]
    return sorted(n for n in names if (ROOT / n).is_file())


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def includes(name):
    """(bracket, path) of each #include in a file, those in its raw strings left out."""
    return INCLUDE.findall(re.sub(r'R"(\w*)\(.*?\)\1"', '""', text(name), flags=re.DOTALL))


class Sources(unittest.TestCase):
    def setUp(self):
        self.cpp = tracked("*.cpp", "*.h")
        self.assertTrue(self.cpp, "no sources found")

    def complain(self, faults):
        if faults:
            self.fail("\n  " + "\n  ".join(faults))

    def test_folders_include_only_what_stands_below_them(self):
        faults = []
        for name in self.cpp:
            allowed = MAY_INCLUDE.get(name.split("/")[0])
            for _, path in includes(name):
                folder = path.split("/")[0]
                ours = "/" in path and (ROOT / path).is_file()
                if allowed is not None and ours and folder not in allowed:
                    faults.append(f"{name} includes {path}; it may use {sorted(allowed)}")
                if allowed is not None and folder == "argent" and name.split("/")[0] != "runtime":
                    faults.append(f"{name} includes the users' header {path}")
        self.complain(faults)

    def test_includes_are_written_from_the_root(self):
        faults = []
        for name in self.cpp:
            if name.split("/")[0] not in BUILT_FOLDERS:
                continue
            for bracket, path in includes(name):
                if bracket == '"' and not any((ROOT / r / path).is_file() for r in ("", "include")):
                    faults.append(f'{name}: "{path}" is no file of the repository')
        self.complain(faults)

    def test_libraries_stay_in_their_folders(self):
        faults = []
        for name in self.cpp:
            for _, path in includes(name):
                for pattern, folders in CONFINED:
                    if re.match(pattern, path) and not name.startswith(tuple(folders)):
                        faults.append(f"{name} includes {path}; only {folders} may")
        self.complain(faults)

    def test_the_runtime_needs_libc_alone(self):
        faults = [f"{name} includes <{path}>" for name in self.cpp if name.startswith("runtime/")
                  for bracket, path in includes(name)
                  if bracket == "<" and not RUNTIME_MAY_READ.fullmatch(path)]
        self.complain(faults)

    def test_users_headers_need_no_other_library(self):
        # What argent.h reads, and what that reads: our headers and the standard library's.
        standard = re.compile(r"[a-z_]+|std(int|def)\.h")
        faults, waiting, seen = [], ["include/argent/argent.h"], set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for bracket, path in includes(name):
                if bracket == '"':
                    waiting.append(path)
                elif not standard.fullmatch(path):
                    faults.append(f"{name}, which users' programs read, includes <{path}>")
        self.assertIn("ir/graph.h", seen)
        self.complain(faults)

    def test_files_are_short_and_lines_narrow(self):
        faults = []
        for name in tracked("*.cpp", "*.h", "*.py", "*.cu"):
            lines = text(name).splitlines()
            if len(lines) > MAX_LINES:
                faults.append(f"{name} has {len(lines)} lines (at most {MAX_LINES})")
            for number, line in enumerate(lines, 1):
                if len(line) > MAX_COLUMNS:
                    faults.append(f"{name}:{number} is {len(line)} wide (at most {MAX_COLUMNS})")
        self.complain(faults)

    def test_headers_open_with_pragma_once(self):
        # Headers for C programs keep include guards, which every C compiler knows.
        guards = re.compile(r"^#pragma once$|^#ifndef \w+_H_?$", re.MULTILINE)
        self.complain([name for name in tracked("*.h") if not guards.search(text(name))])

    def test_cmake_names_every_source(self):
        faults = []
        for name in tracked("*.cpp"):
            if name.split("/")[0] not in BUILT_FOLDERS:
                continue
            path = pathlib.PurePath(name)
            lists = [ROOT / folder / "CMakeLists.txt" for folder in path.parents]
            if not any(str(path.relative_to(folder)) in lst.read_text()
                       for folder, lst in zip(path.parents, lists) if lst.is_file()):
                faults.append(f"{name} is in no CMakeLists.txt, so nothing builds it")
        self.complain(faults)

    def test_no_path_of_one_machine(self):
        machine = re.compile(r"(?<![\w.$}])/(root|work)/\w+")
        faults = [f"{name}: {found.group(0)}" for name in tracked("*")
                  if re.search(r"\.(cpp|h|py|sh|txt|cmake|md|json)$", name)
                  for found in [machine.search(text(name))] if found]
        self.complain(faults)


if __name__ == "__main__":
    unittest.main()
