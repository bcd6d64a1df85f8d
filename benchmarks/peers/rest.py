"""When a process has come to rest."""
import pathlib
import time


def runs(process_id):
    """Whether any thread of the process runs or waits for a processor."""
    for stat in pathlib.Path(f"/proc/{process_id}/task").glob("*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            continue
        if text.rpartition(")")[2].split()[0] == "R":
            return True
    return False


def wait_until_at_rest(process_id, seconds=5.0):
    """Returns when two looks in turn have found all threads of the process asleep; TimeoutError
    when that takes longer."""
    stop = time.monotonic() + seconds
    calm = 0
    while calm < 2:
        calm = 0 if runs(process_id) else calm + 1
        if time.monotonic() > stop:
            raise TimeoutError(f"process {process_id} still runs after {seconds} s")
        time.sleep(0.0005)
