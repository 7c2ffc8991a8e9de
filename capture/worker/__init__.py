"""The worker: journal → pipeline → database, one batch being stored while the next is decoded."""

from capture.worker.life import Worker, run
from capture.worker.options import WorkerOptions

__all__ = ["Worker", "WorkerOptions", "run"]
