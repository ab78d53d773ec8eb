"""Floor 6: checkpoints: save and load, find by name and by fit, make one that ships.

Nothing here loads torch before weights are read or written.
"""

from musicvae.checkpoints.checkpoint import (
    FORMAT,
    MODEL_FILE,
    ORIGIN_FILE,
    STATE_FILE,
    Checkpoint,
    hash_of,
    load,
    load_tensors,
    preset_of,
    read_header,
    save,
    save_tensors,
)
from musicvae.checkpoints.registry import (
    Choice,
    choose,
    find,
    find_maker,
    find_run,
    finished_runs,
    free_run_name,
    is_finished,
    name_of,
    nearest_shipped,
    shipped_checkpoints,
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
    "find_maker",
    "find_run",
    "finished_runs",
    "free_run_name",
    "hash_of",
    "is_finished",
    "load",
    "load_tensors",
    "name_of",
    "nearest_shipped",
    "preset_of",
    "read_header",
    "save",
    "save_tensors",
    "shipped_checkpoints",
]
