"""What a diagnosis says of one recording, and how often it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from monitor.diagnosis.naming import Diagnosis
from monitor.diagnosis.rivals import Candidate

NOT_NAMED = "not named"
HEALTHY = ("", "healthy", "none", "ok")


@dataclass(frozen=True, slots=True)
class BandNames:
    """Parts named by one band alone: the likeliest fixed one, the map's. "" where not asked for."""

    fixed: str
    by_map: str
    map_band_hz: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of a family and what it adds to the score."""

    label: str
    f_hz: float
    level_db: float
    points: float


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """truth : the part as the table says; None where nobody asked

    nearest : what is named or, if nothing is, came nearest; chance : of it
        where it is not broken
    lines : of the nearest; their points add up to score
    band_hz : that carries most of the score
    repetition_hz : the rate that stands out, whatever it belongs to
    resolution_hz, n_averaged : of the envelope; None where the signal is too
        short
    """

    name: str
    truth: str | None
    channel: str
    part: str
    nearest: str
    chance: float | None
    runner_up: str
    runner_up_chance: float | None
    why_not: str
    base_hz: float | None
    score: float | None
    lines: tuple[LineRow, ...]
    band_hz: tuple[float, float] | None
    shaft_hz: float | None
    repetition_hz: float | None
    resolution_hz: float | None
    n_averaged: int | None
    unknown: tuple[str, ...]
    bands: BandNames

    @classmethod
    def of(
        cls, name: str, truth: str | None, found: Diagnosis, channel: str, bands: BandNames
    ) -> Diagnosed:
        ranked = sorted(found.candidates, key=lambda one: one.chance)
        nearest = found.named or next(iter(ranked), None)
        runner_up = next((one for one in ranked if one is not nearest), None)
        levels = found.levels
        return cls(
            name=name,
            truth=truth,
            channel=channel,
            part=found.named.fit.family.part if found.named else NOT_NAMED,
            nearest=nearest.name if nearest else "",
            chance=nearest.chance if nearest else None,
            runner_up=runner_up.name if runner_up else "",
            runner_up_chance=runner_up.chance if runner_up else None,
            why_not=found.why_not,
            base_hz=nearest.fit.base_hz if nearest else None,
            score=nearest.fit.score if nearest else None,
            lines=_lines(nearest),
            band_hz=_band(nearest, found),
            shaft_hz=found.shaft.hz if found.shaft else None,
            repetition_hz=found.repetition.hz if found.repetition else None,
            resolution_hz=levels.resolution_hz if levels else None,
            n_averaged=levels.n_averaged if levels else None,
            unknown=tuple(f"{family.name}: {why}" for family, why in found.unknown),
            bands=bands,
        )


@dataclass(frozen=True, slots=True)
class Confusion:
    """counts : how often each name (or "not named") was given, by true part"""

    counts: dict[str, dict[str, int]]
    right: int
    wrong: int
    n_broken: int


def confusion(rows: Sequence[Diagnosed]) -> Confusion | None:
    """None where the truth was not asked for."""
    told = [row for row in rows if row.truth is not None]
    if not told:
        return None
    counts: dict[str, Counter[str]] = {}
    for row in told:
        counts.setdefault(row.truth or "healthy", Counter())[row.part] += 1
    return Confusion(
        {truth: dict(names) for truth, names in sorted(counts.items())},
        right=sum(row.part == row.truth for row in told),
        wrong=sum(row.part not in (row.truth, NOT_NAMED) for row in told),
        n_broken=sum(row.truth not in HEALTHY for row in told),
    )


def counts_of(rows: Sequence[Diagnosed]) -> Iterator[str]:
    """Sentences with the figures."""
    names = Counter(row.part for row in rows)
    yield f"{len(rows)} recordings: " + ", ".join(
        f"{n} {name}" for name, n in names.items()
    )
    table = confusion(rows)
    if table is None:
        return
    yield f"right: {share(table.right, table.n_broken)} with a broken part"
    yield f"wrong: {share(table.wrong, len(rows))}"
    for truth, counts in table.counts.items():
        yield f"  {truth}: " + ", ".join(f"{n} {name}" for name, n in counts.items())
    if any(row.bands.fixed for row in rows):
        yield f"by the best fixed band alone: {_right_and_wrong(rows, 'fixed')}"
        yield f"by the map's band alone: {_right_and_wrong(rows, 'by_map')}"


def share(n: int, total: int) -> str:
    """n of total with its 95 % interval (Wilson)."""
    if not total:
        return f"{n} of 0"
    low, high = binomtest(n, total).proportion_ci(method="wilson")
    return f"{n} of {total}, {100 * n / total:.2f} % (95 %: {100 * low:.2f} to {100 * high:.2f} %)"


def _right_and_wrong(rows: Sequence[Diagnosed], which: str) -> str:
    told = [
        (row.truth, getattr(row.bands, which)) for row in rows if getattr(row.bands, which)
    ]
    right = sum(name == truth for truth, name in told)
    wrong = sum(name not in (truth, NOT_NAMED) for truth, name in told)
    return f"{right} right, {wrong} wrong, of {len(told)}"


def _lines(nearest: Candidate | None) -> tuple[LineRow, ...]:
    parts = nearest.fit.parts if nearest else ()
    return tuple(LineRow(one.label, one.f_hz, one.level_db, one.points) for one in parts)


def _band(nearest: Candidate | None, found: Diagnosis) -> tuple[float, float] | None:
    """Of an envelope's family: the band whose points are most."""
    if nearest is None or found.levels is None or nearest.fit.family.source != "envelope":
        return None
    bands = found.levels.bands_hz
    points = [
        sum(part.points_by_band[index] for part in nearest.fit.parts)
        for index in range(len(bands))
    ]
    return bands[points.index(max(points))]
