"""Worker processes: they end with their parent, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from musicvae.processes import run_program
from support.orphans import reported_pid, wait_until_ended

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
PARENTS = {
    "sandbox": """
from musicvae.data import sandbox
list(sandbox.run(stay_busy, [report], limits=sandbox.Limits(seconds=900)))
""",
    "pool": """
from musicvae.processes import worker_pool
with worker_pool(1) as pool:
    list(pool.map(stay_busy, [report]))
""",
    "program": """
from musicvae.processes import run_program
run_program([sys.executable, "-c", BUSY_CODE, report], 900)
""",
    "launched": """
import subprocess
code = "from musicvae.processes import end_with_launcher; end_with_launcher();" + BUSY_CODE
subprocess.run([sys.executable, "-c", code, report])
""",
}


@POSIX
@pytest.mark.parametrize("kind", PARENTS)
def test_busy_worker_ends_with_its_killed_parent(kind: str, tmp_path: Path) -> None:
    report = tmp_path / "pid"
    script = tmp_path / "parent.py"
    lines = PARENTS[kind].strip().splitlines()
    script.write_text(
        "import sys\nfrom support.orphans import BUSY_CODE, stay_busy\nreport = sys.argv[1]\n"
        "if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in lines)
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(report)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    try:
        pid = reported_pid(report)
    finally:
        parent.kill()
        parent.wait()
    wait_until_ended(pid)


def test_program_gives_its_output_and_exit_code() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = run_program([sys.executable, "-c", code], 60)
    assert (done.stdout.split(), done.stderr.split(), done.returncode) == ([b"out"], [b"err"], 3)


def test_program_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    report = tmp_path / "pid"
    code = f"open({str(report)!r}, 'w').write(str(__import__('os').getpid())); input()"
    waits = "import time; time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        run_program([sys.executable, "-c", code.replace("input()", waits)], 5)
    if report.exists():  # it had begun
        wait_until_ended(int(report.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit address space")
def test_memory_of_a_process_is_limited() -> None:
    code = "from musicvae.processes import limit_memory; limit_memory({} << 20); bytearray(1 << 30)"
    for megabytes, is_enough in ((256, False), (2048, True)):
        done = run_program([sys.executable, "-c", code.format(megabytes)], 60)
        assert (b"MemoryError" in done.stderr, done.returncode == 0) == (not is_enough, is_enough)
