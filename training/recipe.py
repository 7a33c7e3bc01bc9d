"""What to train and how: every choice in one frozen record, written into the model it made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from monitor.recordings.manifest import RecordingSet
from monitor.recordings.recording import read
from monitor.signal.spectrogram import SpectrogramSettings, widening_bins
from training import TrainingError
from training.network import NetworkSettings
from training.plain import record_of

MIN_COLUMNS, FEW_COLUMNS = 5, 10
MIN_COLUMN_S = 1e-3
MIN_N_FFT = 250  # of frames; shorter ones tell few bands apart
MIXUP, CUTMIX = "mixup", "cutmix"
Levels = Literal["absolute", "relative", "auto"]
# Bands and columns fine enough to see single impacts; convolutions that hardly look along time.
# The defaults of Recipe are those of models made before.
FINE: dict[str, Any] = {
    "n_maps": (8, 12, 16, 24),
    "pools": (2, 1, 1),
    "kernels": ((3, 3), (3, 1), (3, 1), (1, 1)),
    "n_bands": 48,
    "n_columns": 40,
}
# What one of three members may cost a window, and the maps of those that would cost more.
MOST_FLOPS = 20e6 / 3
FRUGAL_MAPS = (8, 12, 16, 18)
ABSOLUTE: Levels = "absolute"
RELATIVE: Levels = "relative"
AUTO: Levels = "auto"


@dataclass(frozen=True)
class Recipe:
    """docs/laboratory.md says what each choice is worth.

    mixings : how windows are mixed, in order of preference: the first whose
        maps hold out of fold is taken
    levels : what the network is shown: as they are, or relative to its sensor's
        own; auto chooses by the training machines
    mixup : parameter of the Beta distribution of the shares, 0 for no mixing
    equaliser_db : rms of a random smooth gain over frequency
    n_columns : of the map, about; fewer where frames would be too short to tell
        bands apart
    sparsity : cost of activity in the feature maps, so that evidence stands
        where it is needed and nowhere else
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    window_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
    n_maps: tuple[int, ...] = (14, 28, 56)
    pools: tuple[int, ...] = (2, 2)
    kernels: tuple[tuple[int, int], ...] = ((3, 3), (3, 3), (1, 3))
    n_bands: Annotated[int, Field(ge=1)] = 24
    n_columns: Annotated[int, Field(ge=MIN_COLUMNS)] = 10
    n_members: Annotated[int, Field(ge=1)] = 3
    n_epochs: Annotated[int, Field(ge=1)] = 80
    n_batch: Annotated[int, Field(ge=1)] = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    mixings: tuple[str, ...] = (MIXUP, CUTMIX)
    levels: Levels = ABSOLUTE
    mixup: float = 0.4
    equaliser_db: float = 1.0
    sparsity: float = 0.01
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1

    def as_tree(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def changed(self, choices: Mapping[str, Any]) -> Recipe:
        """With some other choices, plain values. Raises TrainingError."""
        return record_of(_RECIPE, {**self.as_tree(), **choices}, "recipe")


_RECIPE = TypeAdapter(Recipe)


def default_recipe(manifest: RecordingSet) -> Recipe:
    """One window a recording where it is not long: 10,000 samples but at least 1 s, at most 5 s but
    1,000 samples.
    """
    rate_hz = manifest.sample_rate_hz
    shortest = min(manifest.recordings, key=lambda recording: read(recording).shape[1])
    shortest_s = read(shortest).shape[1] / rate_hz
    window_s = min(shortest_s, max(1.0, 10_000 / rate_hz), max(5.0, 1_000 / rate_hz))
    if window_s < 1 / 50:
        raise TrainingError(
            f"row {shortest.row}: {shortest.name} lasts {shortest_s:g} s; a window needs at least"
            " 0.02 s. Leave it out, or give --window-s."
        )
    return Recipe(window_s=math.floor(window_s * 50 + 1e-9) / 50, levels=AUTO, **FINE)


def within_budget(recipe: Recipe, settings: SpectrogramSettings, n_channels: int) -> Recipe:
    """With fewer maps in the last layer where a window would cost more than MOST_FLOPS."""
    one = replace(recipe, n_members=1)
    if network_settings(settings, n_channels, one).n_flops <= MOST_FLOPS:
        return recipe
    return replace(recipe, n_maps=FRUGAL_MAPS)


def default_epochs(n_windows: int) -> int:
    """As many updates for many windows as for few: 80 epochs of up to 600 windows, fewer beyond, 12
    at least.
    """
    return max(12, min(80, round(80 * 600 / n_windows)))


def spectrogram_settings(sample_rate_hz: float, recipe: Recipe) -> SpectrogramSettings:
    """Frames and bands for a window: half-overlapping Hann frames, bands that widen with frequency.

    A map column is prod(recipe.pools) frames and a whole number of milliseconds
    where the rate allows that. Else columns are equal and the window is shorter
    by less than a sample a frame. Raises TrainingError where the window is too
    short.
    """
    n_longest, n_in_column = (
        round(recipe.window_s * sample_rate_hz),
        math.prod(recipe.pools),
    )
    n_t, hop = _cut(sample_rate_hz, n_longest, recipe.n_columns, n_in_column)
    n_window = n_t * n_in_column * hop
    delta_f_hz = sample_rate_hz / (2 * hop)
    edges = tuple((q - 0.5) * delta_f_hz for q in widening_bins(hop, recipe.n_bands))
    return SpectrogramSettings(sample_rate_hz, n_window, 2 * hop, hop, "hann", edges)


def network_settings(
    settings: SpectrogramSettings, n_channels: int, recipe: Recipe
) -> NetworkSettings:
    return NetworkSettings(
        n_channels,
        settings.n_bands,
        settings.n_frames,
        recipe.n_maps,
        recipe.pools,
        recipe.kernels,
        recipe.n_members,
    )


def grid_edges_s(
    settings: SpectrogramSettings, network: NetworkSettings
) -> tuple[float, ...]:
    """Edges of the map's columns; the last ends with the window."""
    column_s = network.frames_per_column * settings.delta_t_s
    edges = [round(column * column_s, 9) for column in range(network.n_t)]
    return (*edges, settings.n_window / settings.sample_rate_hz)


def _cut(
    sample_rate_hz: float, n_longest: int, n_columns: int, n_in_column: int
) -> tuple[int, int]:
    """Columns, and samples from frame to frame: about n_columns columns of n_in_column frames each,
    fewer where a frame would be too short to tell bands apart.
    """
    least = max(n_in_column, MIN_COLUMN_S * sample_rate_hz)  # samples of a column
    possible = [
        (n_t, n_longest // (n_t * n_in_column))
        for n_t in _nearest_first(n_columns)
        if n_longest >= n_t * least
    ]
    whole = [
        (n_t, hop)
        for n_t, hop in possible
        if n_t * n_in_column * hop == n_longest
        and _is_whole_ms(n_longest / n_t / sample_rate_hz)
    ]
    if not possible:
        raise TrainingError(
            f"window_s = {n_longest / sample_rate_hz:g} s at {sample_rate_hz:g} Hz: cannot be cut"
            f" into {MIN_COLUMNS} columns of {1e3 * MIN_COLUMN_S:g} ms and {n_in_column} samples at"
            " least; a longer window can."
        )
    some = whole or possible
    long_enough = [one for one in some if 2 * one[1] >= MIN_N_FFT]
    if long_enough:
        return long_enough[0]
    return min(some, key=lambda one: abs(one[0] - FEW_COLUMNS))


def _is_whole_ms(column_s: float) -> bool:
    return abs(1e3 * column_s - round(1e3 * column_s)) < 1e-6


def _most(n_columns: int) -> int:
    return n_columns + n_columns // 4


def _nearest_first(n_columns: int) -> list[int]:
    """Numbers of columns that will do; of two equally near the larger."""
    every = range(_most(n_columns), MIN_COLUMNS - 1, -1)
    return sorted(every, key=lambda n_t: abs(n_t - n_columns))


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
