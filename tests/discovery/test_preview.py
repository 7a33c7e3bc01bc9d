"""A waveform and a spectrum in a few lines of text."""

from __future__ import annotations

import numpy as np

from monitor.discovery.preview import BLOCKS, spectrum, waveform


def test_a_tone_stands_where_its_frequency_is() -> None:
    # in the middle from 0 to half the rate
    tone = np.sin(2 * np.pi * 0.25 * np.arange(4096))
    drawn = spectrum(tone, 20)
    assert len(drawn) == 20
    assert drawn.index(BLOCKS[-1]) in (9, 10)
    assert drawn[0] == BLOCKS[0]


def test_a_wave_goes_up_and_down_without_a_break() -> None:
    lines = waveform(np.sin(2 * np.pi * np.arange(400) / 400), 20)
    assert [len(line) for line in lines] == [20, 20]
    empty = "\u2800"
    assert set(lines[0][11:]) == {empty}  # the second half is below
    assert set(lines[1][:9]) == {empty}
    assert empty not in lines[0][:9]


def test_what_cannot_be_drawn_is_blank() -> None:
    for samples in (np.zeros(0), np.full(50, np.nan), np.zeros(50)):
        assert len(spectrum(samples, 10)) == 10
        assert [len(line) for line in waveform(samples, 10)] == [10, 10]
