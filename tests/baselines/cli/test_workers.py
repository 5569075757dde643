"""Workers end when their parent is killed."""

import subprocess
import sys
import time

CODE = """
import multiprocessing, time
from concurrent.futures import ProcessPoolExecutor
from microgym.baselines.cli.workers import end_with_parent

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, context, initializer=end_with_parent)
    pool.submit(abs, -1).result()
    pool.submit(time.sleep, 600)
    print("works", flush=True)
    time.sleep(600)
"""


def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path):
    file = tmp_path / "parent.py"
    file.write_text(CODE)
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "works\n"
        parent.kill()
        start = time.monotonic()
        # The worker holds the other end of the pipe, too.
        assert parent.stdout.read() == ""
        assert time.monotonic() - start < 60
