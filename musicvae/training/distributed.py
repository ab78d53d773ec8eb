"""Processes of a distributed run: rank, shared choices, clean-up and memory.

Lightning starts the other processes itself (`--devices 2`), torchrun starts all of them. Both
describe the run in environment variables.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

RUN_VARIABLE = "MUSICVAE_RUN"
STORE_TIMEOUT_S = 600


def rank() -> int:
    """Return the rank of this process in its run; rank 0 writes files and prints."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def is_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def processes_and_nodes(devices: int) -> tuple[int, int]:
    """Return processes per node and number of nodes; under torchrun it decides both."""
    if not is_torchrun():
        return devices, 1
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return here, int(os.environ["WORLD_SIZE"]) // here


def broadcast_choice(choose: Callable[[], str]) -> str:
    """Return rank 0's choice, such as the name of a run, in all processes."""
    if is_torchrun():
        return _broadcast_by_torchrun(choose)
    if rank():
        return os.environ[RUN_VARIABLE]  # set by the process that started this one
    os.environ[RUN_VARIABLE] = choose()
    return os.environ[RUN_VARIABLE]


def _broadcast_by_torchrun(choose: Callable[[], str]) -> str:
    """Broadcast a choice through the store of torchrun."""
    from datetime import timedelta

    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    timeout = timedelta(seconds=STORE_TIMEOUT_S)
    store = PrefixStore(
        f"musicvae/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}",
        TCPStore(address, port, is_master=False, timeout=timeout),
    )
    if not rank():
        store.set(RUN_VARIABLE, choose())
    return str(store.get(RUN_VARIABLE).decode())


@contextmanager
def process_group_scope() -> Iterator[None]:
    """Destroy the process group and restore the environment on exit."""
    before = dict(os.environ)
    try:
        yield
    finally:
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        os.environ.pop(RUN_VARIABLE, None)
        for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


_TRIM_TIME_SHARE = 0.02
_next_trim_s = -math.inf


def trim_memory() -> None:
    """Return freed memory to the system where glibc would keep it in its arenas.

    Trimming takes seconds on some kernels: it is left out where it would take more than
    `_TRIM_TIME_SHARE` of the time.
    """
    global _next_trim_s
    begin_s = time.monotonic()
    if begin_s < _next_trim_s:
        return
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    end_s = time.monotonic()
    _next_trim_s = end_s + (end_s - begin_s) / _TRIM_TIME_SHARE
