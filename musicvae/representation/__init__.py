"""Song <-> what a network can take: bars, windows, slots, piano rolls, note tables."""
