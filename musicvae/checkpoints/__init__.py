"""Checkpoints: weights with their preset and provenance, as files, and the choice among them.

In: tensors and a header. Out: one safetensors file, its tensors compressed for release; and back.
`find` resolves names of runs and shipped models, `choose` picks the model that fits songs best.
Torch is imported only when weights are read or written.
"""

from musicvae.checkpoints.checkpoint import (
    FORMAT_VERSION,
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
    CheckpointChoice,
    best_shipped,
    checkpoint_name,
    choose,
    claim_run_name,
    find,
    find_by_hash,
    find_run,
    finished_runs,
    is_finished,
    locked_checkpoint,
    shipped_checkpoints,
)

__all__ = [
    "FORMAT_VERSION",
    "MODEL_FILE",
    "ORIGIN_FILE",
    "STATE_FILE",
    "Checkpoint",
    "CheckpointChoice",
    "best_shipped",
    "checkpoint_name",
    "choose",
    "claim_run_name",
    "file_hash",
    "find",
    "find_by_hash",
    "find_run",
    "finished_runs",
    "is_finished",
    "load",
    "load_tensors",
    "locked_checkpoint",
    "preset_from_header",
    "read_header",
    "save",
    "save_tensors",
    "shipped_checkpoints",
]
