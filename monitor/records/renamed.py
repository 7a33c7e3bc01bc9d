"""Points that had other names: whose rows belong together. Read, never rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Formerly = Mapping[
    str, tuple[str, ...]
]  # by a point's name: those it had before, oldest first
NONE: Formerly = {}


def names_of(point: str, formerly: Formerly) -> tuple[str, ...]:
    """All that a point was ever called, its name last."""
    return *formerly.get(point, ()), point


def contradictions(formerly: Formerly) -> Iterator[str]:
    """One sentence for each name that cannot belong where it stands."""
    owner: dict[str, str] = {}
    for point, names in formerly.items():
        for name in names:
            if name in owner:
                yield (
                    f"{name!r} is claimed by {owner[name]!r} and by {point!r}: a former name"
                    " belongs to one point, once"
                )
            elif name in formerly:
                yield (
                    f"{name!r} is a former name of {point!r} and has former names itself:"
                    f" write them all under {point!r}"
                )
            owner.setdefault(name, point)
