"""Sandboxed processes: crashes, time-outs and memory limits cost one answer each."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
import time
from functools import partial
from itertools import count

import pytest

from musicvae.data import sandbox
from musicvae.data.sandbox import Failure, Limits, run
from musicvae.data.sandbox_worker import unpack_allowance
from musicvae.errors import DataError
from support import hostile

LIMITS = Limits(seconds=1.0, memory_bytes=256 << 20)


def results(answers: list[object]) -> list[object]:
    """Return answers without process ids, and the reasons of failures."""
    return [
        results(a) if isinstance(a, list) else a.reason if isinstance(a, Failure) else a.split()[0]
        for a in answers
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_failing_job_costs_one_answer(workers: int) -> None:
    jobs = ["a", "die", "b", "leave", "sleep:30", "c", "eat:900000000", "fail:x", "print", "d"]
    assert results(list(run(hostile.act, jobs, workers=workers, limits=LIMITS))) == [
        b"a",
        "reader crashed (signal 11)",
        b"b",
        "reader crashed (exit code 3)",
        "took longer than 1 s",
        b"c",
        "needs more than 256 MB of memory",
        "KeyError: 'x'",
        b"print",
        b"d",
    ]


def test_failing_part_of_a_split_job_costs_one_answer() -> None:
    jobs = [("a", "b"), ("c", "die", "d"), ("e",), ("sleep:30", "f")]
    answers = run(hostile.act_all, jobs, limits=LIMITS, split=hostile.first_parts)
    assert results(list(answers)) == [
        b"a",
        [b"c", "reader crashed (signal 11)", b"d"],
        b"e",
        ["took longer than 1 s", b"f"],
    ]


def test_heartbeat_restarts_the_time_limit() -> None:
    assert results(list(run(hostile.act, ["work:2.4"], limits=LIMITS))) == [b"work:2.4"]


def test_time_limit_grows_with_the_size_of_a_file() -> None:
    answers = list(run(hostile.act, ["read:1000000", "read:0"], limits=LIMITS))
    assert results(answers) == [b"read:1000000", "took longer than 1 s"]


def test_allowance_of_any_message_is_bounded() -> None:
    assert unpack_allowance(struct.pack("<d", 2.5)) == 2.5
    for seconds in (-1.0, 1e9, math.inf, math.nan):
        assert unpack_allowance(struct.pack("<d", seconds)) == 0.0
    assert unpack_allowance(b"") == unpack_allowance(b"\x01" * 7) == 0.0


def test_job_after_a_crash_is_retried_in_a_fresh_process() -> None:
    answers = list(run(hostile.act, ["die-second", "die-second"], limits=LIMITS))
    assert results(answers) == [b"die-second", b"die-second"]
    assert answers[0] != answers[1]


def test_few_jobs_are_taken_ahead_and_closing_kills_processes() -> None:
    taken: list[int] = []

    def endless():
        for number in count():
            taken.append(number)
            yield "a"

    answers = run(hostile.act, endless(), workers=2)
    process = int(next(answers).split()[1])
    assert len(taken) < 20
    answers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_closing_does_not_wait_for_hanging_jobs() -> None:
    answers = run(hostile.act, ["a", "sleep:100"], workers=1)
    next(answers)
    began = time.monotonic()
    answers.close()
    assert time.monotonic() - began < 20


def test_unimportable_function_is_an_error() -> None:
    with pytest.raises(DataError, match="reading processes cannot start"):
        list(run(partial(_nowhere), ["a"]))


def _nowhere(job: str) -> bytes:
    return job.encode()


_nowhere.__module__ = "support.hostile"
_nowhere.__qualname__ = "first_parts.nothing_here"
hostile.first_parts.nothing_here = _nowhere  # type: ignore[attr-defined]  # here, not in a sandbox


def test_process_that_never_gets_ready_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "BOOT_CODE", "import time; time.sleep(60)")
    monkeypatch.setattr(sandbox, "START_TIMEOUT_S", 0.2)
    with pytest.raises(DataError, match=r"cannot start: .*-9"):
        list(run(hostile.act, ["a"], limits=LIMITS))


def test_reader_processes_do_not_import_heavy_packages() -> None:
    code = (
        "import sys, musicvae.data.reader, musicvae.data.sandbox_worker; "
        "sys.exit([m for m in ('torch', 'music21', 'librosa') if m in sys.modules] or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
