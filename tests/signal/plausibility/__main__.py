"""python -m tests.signal.plausibility [--every N]: all recordings of CAMSHAFT_DATASETS and all made
signals in all encodings: false refusals, which must be none, and how often each
wrong reading is noticed, by set of recordings.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.signal.plausibility.streams import Stream, artificial, recordings, simulated
from tests.signal.plausibility.sweep import RIGHT, WRONG, detected, false_refusal


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.signal.plausibility", description=__doc__
    )
    parser.add_argument(
        "--every", type=int, default=1, help="take each N-th recording (default 1)"
    )
    every = parser.parse_args().every
    folder = Path(os.environ["CAMSHAFT_DATASETS"])
    made = [*simulated(range(12, 60)), *artificial()]
    n_false = refusals([*made, *recordings(folder, every)])
    table(recordings(folder, 10 * every))
    return 1 if n_false else 0


def refusals(streams: Iterable[Stream]) -> int:
    """Each stream in every encoding; of many recordings of a set each encoding in turn."""
    n, told, by_set = 0, 0, Counter[str]()
    for stream in streams:
        by_set[stream.name] += 1
        turn = by_set[stream.name] % len(RIGHT)
        chosen = RIGHT if by_set[stream.name] < 50 else (RIGHT[turn], RIGHT[0])
        for how in chosen:
            n += 1
            if said := false_refusal(stream, how):
                told += 1
                print(f"FALSE: {stream.name} as {how}: {said}", flush=True)
    print(
        f"{told} false refusals of {n:,} streams of {sum(by_set.values()):,} signals",
        flush=True,
    )
    return told


def table(streams: Iterable[Stream]) -> None:
    seen, all_of = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for stream in streams:
        for wrong in WRONG:
            if wrong.only(len(stream.samples)):
                all_of[wrong.name, stream.name] += 1
                seen[wrong.name, stream.name] += detected(stream, wrong)
    sets = sorted({name for _, name in all_of})
    print(f"{'':32}" + "".join(f"{name:>16}" for name in sets))
    for wrong in WRONG:
        cells = (
            f"{seen[wrong.name, name] / n:.1%}" if (n := all_of[wrong.name, name]) else "-"
            for name in sets
        )
        print(f"{wrong.name:32}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
