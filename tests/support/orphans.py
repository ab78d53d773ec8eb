"""Jobs that report their process and then stay busy, and whether processes still run."""

from __future__ import annotations

import os
import time
from pathlib import Path

BUSY_CODE = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
"""A program that writes its process number to a file and stays busy."""


def stay_busy(report: str) -> bytes:
    """Write the number of this process to a file and compute for longer than any test."""
    Path(report).write_text(str(os.getpid()))
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        sum(range(1000))
    return b""


def reported_pid(report: Path) -> int:
    """Wait for a process to write its number to a file, and return it."""
    while not (report.exists() and report.read_text()):
        time.sleep(0.05)
    return int(report.read_text())


def wait_until_ended(pid: int) -> None:
    """Return when a process has ended; a test that waits for ever fails by its time limit."""
    while is_running(pid):
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits to be collected does not."""
    try:
        os.kill(pid, 0)
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except OSError:  # no such file: a system without /proc, or it has just ended
        return not Path("/proc").is_dir()
