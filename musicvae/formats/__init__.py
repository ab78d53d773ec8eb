"""Floor 3: files <-> Song (MIDI, scores) and Song -> sound."""
