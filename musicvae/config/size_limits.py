"""Limits on sizes that are asked for, by options, presets and arguments.

They are far above what is useful, and refuse typing errors and hostile presets before memory is
taken. Limits on what files hold are in `musicvae.io.limits`.
"""

from __future__ import annotations

MAX_BARS = 4096
"""Bars of a song that is sampled or continued, or given to a tool whose memory or time grows with
their square: more than two hours of music."""
MAX_SONGS = 1_000_000
"""Songs of one command."""
MAX_INTERPOLATION_STEPS = 1024
"""Songs between two songs, which are all computed at once."""
MAX_GRID_STEPS = 32
"""Rows and columns of a grid of songs, which are all computed at once."""
MAX_WINDOWS = 100_000
"""Windows that an evaluation reconstructs or samples."""
MAX_STEPS = 1_000_000_000
"""Training steps."""
MAX_PARTS = 64
"""Slots of a preset."""
MAX_METERS = 256
"""Meters in the vocabulary of a preset."""
MAX_BATCH = 65_536
"""Windows of a microbatch, and microbatches of a step."""
MAX_MODEL_SIZES = {
    "latent": 4096,
    "width": 8192,
    "blocks": 64,
    "kernel": 63,
    "rank": 4096,
    "hidden": 8192,
}
"""Largest values in the `[model]` section of a preset."""
MAX_PRIOR_SIZES = {
    "steps": MAX_STEPS,
    "batch": MAX_BATCH,
    "width": 4096,
    "layers": 64,
    "solver_steps": 1000,
}
"""Largest values in the `[prior]` section of a preset."""
MAX_BAR_QUARTERS = 64
"""Quarters of the longest bar of a preset."""
MAX_QPM = 1000
"""Tempo of sampled songs in quarters per minute; the least is 1."""
MAX_WORKERS = 256
"""Worker processes."""
