"""Form: recurring bars of a song, and sections by letters."""

from __future__ import annotations

import numpy as np

from experiments.distances import self_similarity_overlap
from musicvae.attributes.form import form_labels, section_labels, self_similarity


def test_section_labels_of_a_form_in_letters() -> None:
    label = section_labels("AABA", 16)
    assert label.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 14, 15]
    assert section_labels("AB", 5).tolist() == [0, 1, 2, 3, 4]
    assert section_labels("AA", 7).tolist() == [0, 1, 2, 3, 0, 5, 6]


def test_form_labels_match_bars_a_whole_number_of_windows_apart() -> None:
    bars = [0, 1, 2, 3, 0, 1, 4, 1]  # indices of five different bars of four notes
    notes = [(i, s, 60 + 4 * what + s) for i, what in enumerate(bars) for s in range(4)]
    bar, step, line = np.array(notes).T
    similarity = self_similarity(bar, step, line, len(bars))
    assert similarity.shape == (8, 8) and similarity[0, 4] == 1 and similarity[0, 1] == 0
    assert form_labels(similarity).tolist() == [0, 1, 2, 3, 0, 1, 6, 1]
    assert form_labels(similarity, 2).tolist() == [0, 1, 2, 3, 0, 1, 6, 1]
    assert form_labels(similarity, 4).tolist() == [0, 1, 2, 3, 0, 1, 6, 7]
    assert self_similarity_overlap([similarity], [similarity]) == 1
    assert self_similarity_overlap([similarity], [np.eye(8)]) < 1


def test_silent_bars_are_similar() -> None:
    similarity = self_similarity(np.array([0]), np.array([3]), np.array([60]), 3)
    assert similarity.tolist() == [[1, 0, 0], [0, 1, 1], [0, 1, 1]]
