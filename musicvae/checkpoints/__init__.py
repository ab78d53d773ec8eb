"""Floor 6: checkpoints: save and load, find by name and by fit, make one that ships.

Nothing here loads torch before weights are read or written.
"""

from musicvae.checkpoints.checkpoint import (
    FORMAT,
    MODEL_FILE,
    ORIGIN_FILE,
    STATE_FILE,
    Checkpoint,
    file_hash,
    load,
    load_tensors,
    preset_from_header,
    read_header,
    save,
    save_tensors,
)
from musicvae.checkpoints.registry import (
    Choice,
    best_shipped,
    checkpoint_name,
    choose,
    find,
    find_by_hash,
    find_run,
    finished_runs,
    is_finished,
    shipped_checkpoints,
    unused_run_name,
)

__all__ = [
    "FORMAT",
    "MODEL_FILE",
    "ORIGIN_FILE",
    "STATE_FILE",
    "Checkpoint",
    "Choice",
    "choose",
    "find",
    "find_by_hash",
    "find_run",
    "finished_runs",
    "unused_run_name",
    "file_hash",
    "is_finished",
    "load",
    "load_tensors",
    "checkpoint_name",
    "best_shipped",
    "preset_from_header",
    "read_header",
    "save",
    "save_tensors",
    "shipped_checkpoints",
]
