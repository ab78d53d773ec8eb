"""Floor 1: which process of a distributed run this is, what its processes agree on, and memory.

Runs are distributed by Lightning, which starts the others itself (`--devices 2`), or by torchrun,
which starts them all. Both say in the environment who is who.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_RUN = "MUSICVAE_RUN"
_WAIT_S = 600


def rank() -> int:
    """The number of this process among all of its run; the one with 0 writes and talks."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def begun_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def processes_and_nodes(devices: int) -> tuple[int, int]:
    """How many processes train on each machine, and on how many machines; torchrun decides both."""
    if not begun_by_torchrun():
        return devices, 1
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return here, int(os.environ["WORLD_SIZE"]) // here


def agreed(choose: Callable[[], str]) -> str:
    """One choice for all processes of a run, such as its name: the first one's."""
    if begun_by_torchrun():
        return _told(choose)
    if rank():
        return os.environ[_RUN]  # of the process that started this one
    os.environ[_RUN] = choose()
    return os.environ[_RUN]


def _told(choose: Callable[[], str]) -> str:
    """`agreed` through the store that torchrun keeps for its processes."""
    from datetime import timedelta

    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    wait = timedelta(seconds=_WAIT_S)
    store = PrefixStore(
        f"musicvae/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}",
        TCPStore(address, port, is_master=False, timeout=wait),
    )
    if not rank():
        store.set(_RUN, choose())
    return str(store.get(_RUN).decode())


@contextmanager
def nothing_left() -> Iterator[None]:
    """While the block runs, processes may meet; afterwards the environment is as it was before."""
    before = dict(os.environ)
    try:
        yield
    finally:
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        os.environ.pop(_RUN, None)
        for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library would keep it in pieces (glibc)."""
    import ctypes
    import gc

    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library
        return
    trim(0)
