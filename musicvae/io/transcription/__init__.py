"""Transcription. In: a recording of one voice, or of claps and taps. Out: a `Song` in time with it.

`pitch` tracks the pitch, `voice_check` rejects all that is not one voice or taps, `notes` and
`onsets` find the notes, `beats` their pulse, `bars` the grid and its bar lines; `transcribe` builds
the song. The inverse is `musicvae.io.audio.render`.
"""

from musicvae.io.transcription.transcribe import (
    TranscribeOptions,
    read_bytes,
    snap_to_key,
    transcribe,
)

__all__ = [
    "TranscribeOptions",
    "read_bytes",
    "snap_to_key",
    "transcribe",
]
