"""A machine that fails quieter than it was: no louder failure teaches that, novelty sees it."""

from __future__ import annotations

import numpy as np

from monitor.evidence.novelty import commission, novelty_map
from monitor.signal.spectrogram import default_grid, default_settings, spectrogram, to_grid
from monitor.simulator.machine import SimulatedMachine

RATE_HZ, N_COMMISSION, N_HEALTHY, N_QUIET = 25_600, 40, 20, 10
FALSE_ALARMS = 0.05


def test_novelty_finds_nine_of_ten_quiet_windows_at_five_percent_false_alarms() -> None:
    settings = default_settings(RATE_HZ, RATE_HZ)
    n_t = default_grid(settings).shape[1]
    false_alarms, found = [], []
    for seed in range(6):
        machine = SimulatedMachine("quiet", seed, onset_s=N_COMMISSION + N_HEALTHY)
        samples = np.stack(
            [machine.block(RATE_HZ) for _ in range(N_COMMISSION + N_HEALTHY + N_QUIET)]
        )
        spectra_db = to_grid(spectrogram(samples, settings), n_t)
        baseline = commission(spectra_db[:N_COMMISSION], FALSE_ALARMS)
        alarm = (
            novelty_map(spectra_db[N_COMMISSION:], baseline).sum(axis=(1, 2))
            > baseline.threshold
        )
        false_alarms.append(alarm[:N_HEALTHY].mean())
        found.append(alarm[N_HEALTHY:].mean())
    assert np.mean(found) >= 0.9
    # Over machines: windows of one are not independent.
    spread = np.std(false_alarms) / np.sqrt(len(false_alarms))
    assert np.mean(false_alarms) <= FALSE_ALARMS + 2 * spread
