#!/usr/bin/env python3
"""The tables of benchmarks/peers: what they say of rows whose numbers are easy to reckon."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "peers"))
import report  # noqa: E402


def row(name, times, batch=1, threads=1, mode="forward", gflop=1.0):
    """The FMA peak is 100 GFLOP/s with one thread, 180 with two; copies move 10 and 12 GB/s."""
    engines = {engine: {"min_ms": time, "median_ms": time, "rounds": 3, "first_result_ms": 1,
                        "peak_rss_kb": 2000, "error": 0} for engine, time in times.items()}
    return {"name": name, "mode": mode, "batch": batch, "threads": threads, "gflop": gflop,
            "peak_gflops": 100 if threads == 1 else 180,
            "copy_gb_per_s": 10 if threads == 1 else 12, "engines": engines}


def cells(table):
    """{first cell: the others} of a table in Markdown."""
    lines = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in table.splitlines()]
    return {line[0]: [cell.strip() for cell in line[1:]] for line in lines}


INFERENCE = [row("a", {"argent": 20, "ort": 30, "openvino": 40}),
             row("b", {"argent": 10, "ort": 80, "openvino": 60}),
             row("a", {"argent": 10, "ort": 30, "openvino": 25}, threads=2),
             row("b", {"argent": 8, "ort": 32, "openvino": 40}, threads=2)]
STEP = row("c@96", {"step-argent": 50, "step-torch": 100}, batch=16, mode="step")


class Summary(unittest.TestCase):
    def test_the_fastest_peer_is_the_yardstick(self):
        table = cells(report.summary_table(INFERENCE))
        self.assertEqual(table["network"], ["ms", "% of FMA peak", "speed-up, 1 thread",
                                            "speed-up, 2 threads", "2 threads : 1"])
        self.assertEqual(table["a"], ["20.00", "50", "1.50 (ONNX Runtime)", "2.50 (OpenVINO)",
                                      "2.00"])
        self.assertEqual(table["b"], ["10.00", "100", "6.00 (OpenVINO)", "4.00 (ONNX Runtime)",
                                      "1.25"])
        self.assertEqual(table["**geometric mean, inference**"][2:4], ["**3.00**", "**3.16**"])
        self.assertEqual(table["*multiply-adds on registers*"][-1], "1.80")
        self.assertEqual(table["*copies through memory*"][-1], "1.20")

    def test_each_batch_that_was_measured_has_columns(self):
        rows = [*INFERENCE, row("a", {"argent": 100, "ort": 110}, batch=8),
                row("b", {"argent": 100, "ort": 90}, batch=8), STEP]
        table = cells(report.summary_table(rows))
        self.assertEqual(table["network"][2:],
                         ["speed-up, batch 1, 1 thread", "speed-up, batch 1, 2 threads",
                          "speed-up, batch 8, 1 thread", "2 threads : 1"])
        self.assertEqual(table["a"], ["20.00", "50", "1.50 (ONNX Runtime)", "2.50 (OpenVINO)",
                                      "1.10 (ONNX Runtime)", "2.00"])
        self.assertEqual(table["**geometric mean, inference**"][4], "**0.99**")
        # A step's batch is in its name, and it stands with the smallest.
        self.assertEqual(table["c, 96², training step, batch 16"],
                         ["50.00", "20", "2.00 (PyTorch)", "", "", ""])

    def test_one_number_of_threads(self):
        table = cells(report.summary_table([INFERENCE[0], STEP]))
        self.assertEqual(table["network"], ["ms", "% of FMA peak", "speed-up, 1 thread"])
        self.assertNotIn("*copies through memory*", table)


class Pages(unittest.TestCase):
    def test_memory_is_of_the_smallest_batch(self):
        large = row("a", {"argent": 1}, batch=8)
        large["engines"]["argent"]["peak_rss_kb"] = 9000
        table = cells(report.memory_table([large, *INFERENCE]))
        self.assertEqual(table["a"][2], "2")

    def test_a_page_of_its_own_has_summary_and_times(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.md"
            report.write_page(INFERENCE, page, "A machine.")
            text = page.read_text()
        self.assertIn("A machine.", text)
        self.assertIn(report.summary_table(INFERENCE), text)
        self.assertIn("| b | 2 | 180 | 12 | 8.00 (8.00) | 32.00 (32.00) | 40.00 (40.00) |", text)

    def test_a_readme_without_marks_is_left_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            readme = pathlib.Path(folder) / "README.md"
            readme.write_text("no marks\n")
            with self.assertRaisesRegex(RuntimeError, "lacks the marks"):
                report.write(INFERENCE, pathlib.Path(folder))
            self.assertEqual(readme.read_text(), "no marks\n")


if __name__ == "__main__":
    unittest.main()
