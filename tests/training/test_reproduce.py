"""A model trained again is held against the first: what differs is said, other data is refused."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.evidence.model_folder import BUNDLED_MODELS, ModelManifest, load_model_manifest
from training import TrainingError
from training.reproduce import compare

ORIGINAL = load_model_manifest(BUNDLED_MODELS / "simulator")


def rebuilt(**changes: Any) -> ModelManifest:
    return ORIGINAL.model_copy(update={"training": {**ORIGINAL.training, **changes}})


def fingerprint(**changes: Any) -> dict[str, Any]:
    return {**ORIGINAL.training["fingerprint"], **changes}


def test_the_same_model_is_said_to_be_identical() -> None:
    lines, same = compare(ORIGINAL, rebuilt())
    assert same
    assert lines[0].endswith(": identical")
    assert not any("spectra" in line for line in lines)


def test_spectra_that_round_differently_are_said_and_compared() -> None:
    """As on another processor, where a few of two million cells cross a boundary."""
    other = rebuilt(fingerprint=fingerprint(windows="a8ef3a9a" + 56 * "0"))
    lines, same = compare(ORIGINAL, other)
    assert same
    assert any("spectra: not the same to 0.1 dB in every cell" in line for line in lines)


def test_a_figure_that_fell_is_not_as_good() -> None:
    figures = ORIGINAL.training["out_of_fold"]
    worse = {
        **figures,
        "auc": {"value": figures["auc"]["value"] - 0.021, "low": 0.9, "high": 1.0},
    }
    lines, same = compare(ORIGINAL, rebuilt(out_of_fold=worse))
    assert not same
    assert any(line.startswith("auc") and line.endswith(": differs") for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": fingerprint(runs=ORIGINAL.training["fingerprint"]["runs"][1:])},
        {"windows": {"ok": 1200, "ng": 719}},
    ],
)
def test_other_recordings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=f"are not those that simulator {ORIGINAL.id}"):
        compare(ORIGINAL, rebuilt(**change))
