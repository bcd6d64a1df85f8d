#!/usr/bin/env python3
"""benchmarks/peers waits for an engine's threads to come to rest before the next engine runs."""
import pathlib
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))
import rest  # noqa: E402

# Answers each line at once, while another of its threads goes on for as many seconds.
SPINNER = """
import sys, threading, time
def spin(seconds):
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        pass
for line in sys.stdin:
    thread = threading.Thread(target=spin, args=(float(line),))
    thread.start()
    print("done", flush=True)
"""


class Rest(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([sys.executable, "-c", SPINNER], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tearDown(self):
        self.process.kill()
        self.process.communicate()

    def answer(self, seconds):
        """When the process had answered."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        self.assertEqual(self.process.stdout.readline(), "done\n")
        return time.monotonic()

    def test_waits_for_a_thread_that_spins_after_the_answer(self):
        answered = self.answer(0.4)
        rest.wait_until_at_rest(self.process.pid)
        self.assertGreater(time.monotonic() - answered, 0.3)

    def test_a_process_that_never_rests_is_an_error(self):
        self.answer(60)
        with self.assertRaisesRegex(TimeoutError, f"process {self.process.pid} still runs"):
            rest.wait_until_at_rest(self.process.pid, 0.1)


if __name__ == "__main__":
    unittest.main()
