"""`camshaft export`: a point's verdicts and kept windows as files of other programs.

csv is a table of verdicts, or of trends; wav a folder of kept windows with
their table; npz one NumPy file with verdicts and kept windows. Rows are
written some at a time, and everything under another name until it is whole.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path

from monitor.commands.arguments import (
    add_config,
    add_span,
    check_new_folder,
    check_output_file,
    span_of,
)
from monitor.commands.progress import Count, spoken
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_NO, EXIT_OK
from monitor.export_files import write_csv, write_npz, write_wav
from monitor.journal.columns import Selection, Span
from monitor.journal.trend_columns import TIERS, TrendSelection
from monitor.journal.views import JournalViews
from monitor.records.renamed import Formerly
from monitor.settings import ConfigError
from monitor.text import printable
from monitor.times import clock, zone_of

N_NAMED = 8  # points in a sentence
WINDOWS = "windows"

EXAMPLES = (
    "camshaft export --point pump-1/bearing --from yesterday --as csv --out pump-1.csv",
    "camshaft export --point pump-1/bearing --from 2026-11-20 --as wav --out pump-1-windows",
    "camshaft export --point pump-1/bearing --from 2025-01-01 --rows days --as csv --out years.csv",
)
EXIT_CODES = {
    0: "written",
    1: "there is nothing in this span of time; nothing was written",
    2: "refused: no such point, or the journal or the file cannot be used",
}


FORMS = ("csv", "wav", "npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--point", required=True, metavar="P", help="machine/point")
    add_span(parser)
    parser.add_argument(
        "--as",
        dest="form",
        required=True,
        choices=FORMS,
        help="csv: verdicts; wav: kept raw windows; npz: both, for NumPy",
    )
    parser.add_argument(
        "--rows",
        default=WINDOWS,
        choices=(WINDOWS, *TIERS),
        help="of csv: single windows, or trends by ten minutes, hours or days",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="of wav a folder, a new one"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 written; 1 nothing in this span; 2 refused."""
    check = check_new_folder if arguments.form == "wav" else check_output_file
    check(arguments.out)
    config = load_config(arguments.config)
    path, former = config.journal.path, config.page.formerly.get(arguments.point, ())
    from_ns, to_ns = span_of(arguments, time.time_ns())
    zone = zone_of(arguments.tz)
    _check_point(path, arguments.point, former)
    span = f"{clock(from_ns, zone)} to {clock(to_ns, zone)}"
    if arguments.rows != WINDOWS:
        formerly = config.page.formerly
        return _export_trends(arguments, path, formerly, (from_ns, to_ns), span)
    asked = Span(arguments.point, from_ns, to_ns, former)
    with closing(Selection(path, asked)) as selection:
        n = selection.n_kept if arguments.form == "wav" else selection.n_windows
        what = "kept windows" if arguments.form == "wav" else "windows"
        if not n:
            return _nothing(arguments.point, what, span)
        progress = Count(f"{what} written", n)
        with spoken(lambda: str(progress)), _draft_of(arguments.out) as draft:
            _write(arguments.form, draft, selection, progress)
    print(f"{arguments.out}: {n:,} {what} of {arguments.point}.")
    return EXIT_OK


def _write(form: str, draft: Path, selection: Selection, progress: Count) -> None:
    if form == "wav":
        return write_wav(draft, selection, progress.step)
    with draft.open("wb") as file:
        if form == "npz":
            return write_npz(file, selection, progress.step)
        names = selection.layout.names
        write_csv(file, names, selection.verdicts(), progress.step)


def _export_trends(
    arguments: argparse.Namespace,
    path: Path,
    formerly: Formerly,
    span_ns: tuple[int, int],
    span: str,
) -> int:
    """Rows that begin in the span."""
    if arguments.form != "csv":
        raise ConfigError(f"--rows {arguments.rows}: trends are written --as csv alone.")
    what = f"rows of {arguments.rows.replace('_', ' ')}"
    tier_s = TIERS[arguments.rows]
    selected = TrendSelection(path, arguments.point, tier_s, *span_ns, formerly)
    with closing(selected) as selection:
        n = selection.n_rows
        if not n:
            return _nothing(arguments.point, what, span)
        progress = Count(f"{what} written", n)
        with (
            spoken(lambda: str(progress)),
            _draft_of(arguments.out) as draft,
            draft.open("wb") as file,
        ):
            write_csv(file, selection.names, selection.blocks(), progress.step)
    print(f"{arguments.out}: {n:,} {what} of {arguments.point}.")
    return EXIT_OK


def _nothing(point: str, what: str, span: str) -> int:
    print(f"{point}: no {what} of {span}; nothing was written.", file=sys.stderr)
    return EXIT_NO


def _check_point(path: Path, point: str, former: Sequence[str]) -> None:
    """Raises ConfigError that names points there are. former : names that it had before"""
    views = JournalViews(path)
    known = views.sensors()
    views.close()
    if not set(known).isdisjoint((point, *former)):
        return
    near = get_close_matches(point, known, N_NAMED) or known[:N_NAMED]
    there = ", ".join(printable(name) for name in near) or "none yet"
    raise ConfigError(f"--point {point!r}: the journal has no such point; it has {there}.")


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """A file or folder beside the target, that takes its name once it is whole. Raises
    ConfigError where it cannot be written.
    """
    draft = target.with_name(f".{target.name}.{time.monotonic_ns()}.part")
    try:
        yield draft
        draft.replace(target)
    except OSError as error:
        raise ConfigError(
            f"--out = '{target}': cannot be written: {error.strerror}."
        ) from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft)
        draft.unlink(missing_ok=True)
