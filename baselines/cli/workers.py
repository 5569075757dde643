"""Worker processes of trainings and audits."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Initialise a worker, so that it ends when its parent does, whatever ends that.

    What the worker was writing stays unfinished; files are written whole or not at all.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
