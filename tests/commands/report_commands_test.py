#!/usr/bin/env python3
"""`argent bench --kernels`, `--trace` and `--html`: what they say about one run is consistent, and
the report is one file that a browser draws without anything else.

The program is found through the environment variable ARGENT. Chromium, where it is installed, opens
the report; else that part prints "skipped" and why.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

# A layer whose name would end the script it is told in, and two kernels.
ODD = """graph @odd(%left: f32[64,1024], %right: f32[64,1024]) {
  %1: f32[64,1024] = add(%left, %right)  # odd.cpp:7 </script><b>&
  %2: f32[64] = reduce_sum(%1, axes=[1])  # odd.cpp:8 total
  return sum=%1, total=%2
}
"""
KERNEL_KEYS = {"layer", "kernel", "file", "line", "algorithm", "schedule", "ms", "flops", "bytes",
               "gflops", "gb_per_s", "percent_of_peak", "bound", "percent_of_roofline",
               "live_bytes"}

# A reader who tries everything: sorts by each column both ways, points at each kernel, looks closer
# and back, filters, and turns to the last entry point.
READER = """<script>
const columns = document.querySelectorAll("th").length;
for (let i = 0; i < 2 * columns; ++i) document.querySelectorAll("th")[i >> 1].click();
for (const element of document.querySelectorAll("[data-step]"))
  for (const name of ["mousemove", "mouseenter", "mouseleave"])
    element.dispatchEvent(new MouseEvent(name, { clientX: 300, clientY: 200 }));
const timeline = () => document.querySelector("#timeline svg");
const box = timeline().getBoundingClientRect();
const all = timeline().querySelectorAll(".slice").length;
for (const [name, share] of [["pointerdown", 0.5], ["pointermove", 0.52], ["pointerup", 0.54]])
  timeline().dispatchEvent(new PointerEvent(name, { clientX: box.left + share * box.width }));
const closer = timeline().querySelectorAll(".slice").length;
timeline().dispatchEvent(new MouseEvent("dblclick"));
const again = timeline().querySelectorAll(".slice").length;
document.querySelectorAll("nav button").forEach((button) => button.click());
const filter = document.getElementById("filter");
filter.value = "FC2";
filter.dispatchEvent(new Event("input"));
document.body.dataset.read = [all > closer, all === again,
  document.querySelectorAll("tbody tr").length,
  document.querySelectorAll("nav button")[1].getAttribute("aria-pressed")].join(" ");
</script>"""


def data_in(page):
    """The JSON that a report's page contains."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page,
                                re.DOTALL).group(1))


class ReportCommands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        # A batch of 192 is enough work for two threads.
        cls.argent("compile", "lenet5", "--seed", 0, "--batch", "1,192", "-o", "lenet5.so")
        made = cls.argent("bench", "lenet5.so", "--runs", 3, "--threads", 2, "--kernels", "--trace",
                          "trace.json", "--html", "report.html", "--json")
        cls.figures = json.loads(made.stdout)
        cls.said = made.stderr
        cls.trace = json.loads((cls.folder / "trace.json").read_text())
        cls.page = (cls.folder / "report.html").read_text()

    @classmethod
    def argent(cls, *words, code=0):
        result = subprocess.run([os.environ["ARGENT"], *map(str, words)], capture_output=True,
                                text=True, cwd=cls.folder)
        assert result.returncode == code, result.stdout + result.stderr
        return result

    def test_kernels_have_their_place_on_the_roofline(self):
        self.assertIn("wrote trace.json\nwrote report.html\n", self.said)
        for entry in self.figures["entries"]:
            peak, copy = entry["peak_gflops"], entry["copy_gb_per_s"]
            self.assertGreater(copy, 0)
            for kernel in entry["kernels"]:
                self.assertEqual(set(kernel), KERNEL_KEYS)
                self.assertLessEqual(kernel["live_bytes"], entry["arena_bytes"])
                least = max(kernel["flops"] / peak, kernel["bytes"] / copy) * 1e-6  # ms
                self.assertAlmostEqual(kernel["percent_of_roofline"], 100 * least / kernel["ms"],
                                       delta=0.01 * kernel["percent_of_roofline"] + 1e-3)
                memory = kernel["bytes"] / copy > kernel["flops"] / peak
                self.assertEqual(kernel["bound"], "memory" if memory else "compute")
            self.assertEqual(sum(kernel["flops"] for kernel in entry["kernels"]),
                             round(entry["gflop"] * 1e9))
            self.assertGreater(max(kernel["live_bytes"] for kernel in entry["kernels"]), 0)
        kernels = {kernel["layer"]: kernel for kernel in self.figures["entries"][1]["kernels"]
                   if kernel["flops"]}
        self.assertRegex(kernels["conv2"]["algorithm"], r"^(conv|contraction)_\w+$")
        self.assertRegex(kernels["conv2"]["schedule"], r"^\w+=\d+(,\w+=\d+)*$")
        self.assertEqual(kernels["conv2"]["file"], "lenet5.cpp")
        self.assertGreater(kernels["conv2"]["line"], 0)

    def test_the_table(self):
        text = self.argent("bench", "lenet5.so", "--runs", 2, "--entry", "forward_b1",
                           "--kernels").stdout
        self.assertRegex(text, r"\nlayer +line +ms +% time +GFLOP/s +GB/s +% peak +% roof +kernel "
                               r"+schedule\n")
        self.assertRegex(text, r"\nconv1 +lenet5\.cpp:\d+ .* conv\w*\{\w+=\d+")
        self.assertRegex(text,
                         r"\nroofline: [\d.]+ GFLOP/s of multiply-adds, [\d.]+ GB/s of copies")

    def test_the_trace_is_one_of_the_steps_and_threads(self):
        events = self.trace["traceEvents"]
        slices = [event for event in events if event["ph"] == "X"]
        names = {(event["pid"], event["tid"]): event["args"]["name"] for event in events
                 if event["name"] == "thread_name"}
        for process, entry in enumerate(self.figures["entries"], start=1):
            mine = [event for event in slices if event["pid"] == process]
            steps = [event for event in mine if event["cat"] == "kernel"]
            self.assertEqual([event["name"] for event in steps],
                             [kernel["layer"] or kernel["kernel"] for kernel in entry["kernels"]])
            self.assertEqual(steps[0]["ts"], 0)
            for before, after in zip(steps, steps[1:]):
                self.assertGreaterEqual(after["ts"] + 1e-6, before["ts"] + before["dur"])
            for event in (event for event in mine if event["cat"] == "tasks"):
                self.assertGreater(event["args"]["tasks"], 0)
                self.assertTrue(any(
                    step["name"] == event["name"] and step["ts"] <= event["ts"] + 1e-3
                    and event["ts"] + event["dur"] <= step["ts"] + step["dur"] + 1e-3
                    for step in steps), event)
                self.assertIn((process, event["tid"]), names)
        self.assertTrue(any(event["cat"] == "tasks" and event["tid"] == 0 for event in slices))
        self.assertEqual(len([event for event in events if event["ph"] == "C"]),
                         len([event for event in slices if event["cat"] == "kernel"]))

    def test_the_report_tells_the_same_figures(self):
        data = data_in(self.page)
        for entry in data["entries"]:
            events = entry.pop("events")
            steps = [event[0] for event in events if event[4] == 0]
            self.assertEqual(steps, list(range(len(entry["kernels"]))))
            for step, thread, begin, length, tasks in events:
                self.assertLess(step, len(entry["kernels"]))
                self.assertLess(thread, data["threads"])
                self.assertGreaterEqual(min(begin, length, tasks), 0)
        self.assertEqual(data, self.figures)

    def test_the_report_needs_nothing_else(self):
        for reference in (r"\bsrc\s*=", r"\bhref\s*=", r"url\(", r"@import", r"\bimport\b",
                          r"\bfetch\(", r"XMLHttpRequest"):
            self.assertIsNone(re.search(reference, self.page), reference)
        self.assertEqual(set(re.findall(r"\w+://[^\s\"']+", self.page)),
                         {"http://www.w3.org/2000/svg"})

    def odd_report(self):
        (self.folder / "odd.ag").write_text(ODD)
        self.argent("bench", "odd.ag", "--runs", 2, "--html", "odd.html")
        return (self.folder / "odd.html").read_text()

    def test_names_cannot_break_the_page(self):
        page = self.odd_report()
        self.assertEqual(page.count("</script>"), self.page.count("</script>"))
        self.assertEqual(data_in(page)["entries"][0]["kernels"][0]["layer"], "</script><b>&")

    def drawn(self, name):
        """The page's elements once its script has run."""
        browser = shutil.which("chromium") or shutil.which("chromium-browser")
        if not browser:
            self.skipTest("skipped: no chromium to open the report with")
        return subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1000",
             f"--user-data-dir={self.folder / 'profile'}", "--dump-dom",
             (self.folder / name).as_uri()], capture_output=True, text=True, timeout=120).stdout

    def test_a_browser_draws_it(self):
        self.odd_report()
        for name in ("report.html", "odd.html"):
            drawn = self.drawn(name)
            entry = data_in((self.folder / name).read_text())["entries"][0]
            self.assertIn('data-drawn="0"', drawn)
            self.assertNotIn("data-error", drawn)
            self.assertEqual(drawn.count('class="slice"'), len(entry["events"]))
            self.assertEqual(drawn.count("<tr data-step="), len(entry["kernels"]))
            self.assertEqual(drawn.count('class="point"'),
                             len([k for k in entry["kernels"] if k["flops"] and k["bytes"]]))

    def test_a_reader_can_try_everything(self):
        (self.folder / "read.html").write_text(self.page.replace("</body>", READER + "</body>"))
        drawn = self.drawn("read.html")
        self.assertNotIn("data-error", drawn)
        self.assertIn('data-read="true true 1 true"', drawn)

    def test_files_that_cannot_be_written(self):
        for option in ("--trace", "--html"):
            error = self.argent("bench", "lenet5.so", option, "nowhere/file", code=1)
            self.assertEqual((error.stdout, error.stderr.splitlines()[0]),
                             ("", "error: cannot write nowhere/file: No such file or directory"))
            error = self.argent("bench", "lenet5.so", "--runs", 1, option, "/dev/full", code=1)
            self.assertIn("error: cannot write /dev/full: No space left on device", error.stderr)
        report = self.folder / "kept.html"
        report.write_text("the report of yesterday")
        self.argent("bench", "nowhere.so", "--html", "kept.html", code=1)
        self.assertEqual(report.read_text(), "the report of yesterday")


if __name__ == "__main__":
    unittest.main()
