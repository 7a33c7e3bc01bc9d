"""Where the samples of a message lie that is a tree of keys and lists.

One message gives one or more ways to read it, the likeliest first; that all
messages can be read that way is for others to see. Names are asked only which
of several lists are meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from monitor.discovery import words
from monitor.discovery.nodes import (
    Form,
    floats_of,
    form_of,
    form_of_rows,
    grows_steadily,
    is_number,
    is_number_text,
    is_numbers,
    length_of,
    nodes,
)
from monitor.signal.payload.paths import at, entries_at, parts_at

# flat: one list; each: one list or number a channel; planar, rows: lists in a list; objects: one
# entry an instant; stretches: one entry a stretch.
Shape = Literal["flat", "each", "planar", "rows", "square", "objects", "stretches"]

NESTED = ("planar", "rows", "square")
MAX_NODES = 20_000
MAX_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class Place:
    """paths : of the samples; channels : within entries, as in the settings of the formats"""

    shape: Shape
    form: Form
    paths: tuple[str, ...]
    channels: tuple[str, ...] = ()
    parts: str | None = None
    is_named: bool = True  # by names that tell samples, or nothing else is there
    is_of_lists: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """One for each channel, of those that are told apart."""
        return self.channels or self.paths


@dataclass(frozen=True, slots=True)
class _Run:
    """Numbers in one place."""

    path: str
    form: Form
    n: int  # numbers; bytes where it is bytes; 0: one number by itself


def places(tree: Any, ids: frozenset[str] = frozenset()) -> list[Place]:
    """The ways to read one tree, the likeliest first. ids : texts that hold no samples"""
    found = [
        *_under_names(tree, ids),
        *_in_parts(tree, ids),
        *_in_entries(tree, ids),
        *_in_lists(tree),
    ]
    singles = _in_runs(tree, ids)
    found += [
        one for one in singles if not found or (one.is_of_lists and not _is_in(one, found))
    ]
    found = [place for place in found if not all(map(words.is_context, place.names))]
    if len({place.paths for place in found}) == 1 and found[0].shape in NESTED:
        found = [replace(place, is_named=True) for place in found]  # nothing else is there
    return found


def _is_in(place: Place, others: Sequence[Place]) -> bool:
    """Rows of a list of lists are no lists of their own."""
    outer = [f"{other.paths[0]}." for other in others if other.shape in NESTED]
    return any(path.startswith(one) for path in place.paths for one in outer)


# -- lists of entries -----------------------------------------------------------------------------


def _entry_lists(tree: Any) -> Iterator[tuple[str, list[Any]]]:
    for path, value in nodes(tree):
        entries = entries_at(tree, path) if isinstance(value, Mapping) else value
        if _are_objects(entries):
            yield path, entries


def _are_objects(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) for one in value)
    )


def _in_parts(tree: Any, ids: frozenset[str]) -> Iterator[Place]:
    """A list of objects that are messages of their own: several sensors, or told apart by name."""
    for path, entries in _entry_lists(tree):
        inner = [(entry, _within(entry, ids)) for entry in entries]
        holding = [(entry, found) for entry, found in inner if found]
        if not holding or not _is_named_apart([entry for entry, _ in holding]):
            continue
        for place in holding[0][1]:
            yield replace(place, parts=path)


def _within(entry: Any, ids: frozenset[str]) -> list[Place]:
    return [*_in_entries(entry, ids), *_in_lists(entry), *_in_runs(entry, ids)]


def _under_names(tree: Any, ids: frozenset[str]) -> Iterator[Place]:
    """An object whose keys are names of sensors: under each a list of entries."""
    for path, value in nodes(tree):
        if not isinstance(value, Mapping) or len(value) < 2:
            continue
        if not all(map(_are_objects, value.values())) or any(map(_is_word, value)):
            continue
        for place in _within(parts_at(tree, path)[0], ids):
            yield replace(place, parts=path)


def _is_word(key: object) -> bool:
    """A key that says what is measured, and not where."""
    name = str(key)
    return is_sample_name(name) or words.is_context(name)


def _is_named_apart(entries: Sequence[Mapping[Any, Any]]) -> bool:
    """Whether each entry has a name of its own, or its own unit or start beside a list."""
    for path, value in nodes(entries[0]):
        if (
            not isinstance(value, str)
            or path == "."
            or not words.says(path, words.IDENTITY)
        ):
            continue
        values = [at(entry, path) for entry in entries]
        if len({str(one) for one in values}) == len(entries) and None not in values:
            return len(entries) > 1 or _has_list(entries[0])
    return False


def _has_list(entry: Any) -> bool:
    return any(form_of(value) for _, value in nodes(entry))


def _in_entries(tree: Any, ids: frozenset[str]) -> Iterator[Place]:
    """A list of objects: one an instant, or one a stretch of time."""
    for path, entries in _entry_lists(tree):
        runs = _runs(entries[0], ids)
        lists = _chosen([run for run in runs if run.n])
        if lists is not None and lists.form == "list" and len(entries) < 4096:
            yield replace(lists, shape="stretches", paths=(path,), channels=lists.paths)
        numbers = _chosen([run for run in runs if not run.n])
        if numbers is not None and len(entries) > 1 and not any(run.n for run in runs):
            yield replace(numbers, shape="objects", paths=(path,), channels=numbers.paths)


# -- lists in lists -------------------------------------------------------------------------------


def _in_lists(tree: Any) -> Iterator[Place]:
    """Lists of lists: a row for each instant, or a list for each channel."""
    for path, value in nodes(tree):
        if not isinstance(value, list) or len(value) < 2 or words.is_context(path):
            continue
        form = form_of_rows(value)
        if form is not None:
            yield from _rows(path, len(value), len(value[0]), value, form)
        elif _is_nested(value):
            yield _nested_rows(path, value[0])


def _rows(
    path: str, n_outer: int, n_inner: int, value: list[Any], form: Form
) -> Iterator[Place]:
    name = is_sample_name(path)
    if n_inner <= MAX_CHANNELS < n_outer or n_inner <= 2 < n_outer:
        yield _with_time_column(path, value, form, name)
    elif n_outer <= MAX_CHANNELS < n_inner:
        yield Place("planar", form, (path,), is_named=name)
    elif n_outer <= MAX_CHANNELS and n_inner <= MAX_CHANNELS:
        yield Place("square", form, (path,), is_named=name)


def _with_time_column(path: str, rows: list[Any], form: Form, is_named: bool) -> Place:
    """Where a column grows steadily it is no channel: the others are named by their numbers."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if form == "text":
        columns = [floats_of(column).tolist() for column in columns]
    clocks = [index for index, column in enumerate(columns) if grows_steadily(column)]
    if not clocks:
        return Place("rows", form, (path,), is_named=is_named)
    channels = tuple(str(index) for index in range(len(columns)) if index not in clocks)
    return Place("objects", form, (path,), channels, is_named=is_named)


def _is_nested(value: list[Any]) -> bool:
    """[[t, [x, y]], ...]"""
    return all(
        isinstance(row, list)
        and any(is_numbers(one) for one in row)
        and all(is_number(one) or is_numbers(one) for one in row)
        for row in value
    )


def _nested_rows(path: str, row: list[Any]) -> Place:
    channels = [
        f"{index}.{inner}"
        for index, one in enumerate(row)
        if is_numbers(one)
        for inner in range(len(one))
    ]
    return Place("objects", "list", (path,), tuple(channels), is_named=is_sample_name(path))


# -- runs of numbers ------------------------------------------------------------------------------


def _runs(tree: Any, ids: frozenset[str]) -> list[_Run]:
    found: list[_Run] = []
    closed: list[str] = []  # paths whose nodes are no runs of their own
    for number, (path, value) in enumerate(nodes(tree)):
        if number > MAX_NODES:
            break
        if path != "." and at(tree, path) is not value:
            continue  # a key with dots, or none, that no path leads to
        if any(path.startswith(one) for one in closed):
            continue
        rows = _numbered(tree, path, value)
        is_table = form_of_rows(rows) is not None and len(rows) > len(rows[0])
        if is_table or rows is not value:
            closed.append("" if path == "." else f"{path}.")
        if is_table:
            continue
        form = None if isinstance(value, str) and value in ids else form_of(rows)
        if form is not None:
            found.append(_Run(path, form, length_of(rows, form)))
        elif is_number(value):
            found.append(_Run(path, "list", 0))
        elif is_number_text(value) and words.axis_of(path) is not None:
            found.append(_Run(path, "text", 0))
    return found


def _numbered(tree: Any, path: str, value: Any) -> Any:
    """The entries of an object whose keys count them, where they are more than channels."""
    is_long = isinstance(value, Mapping) and len(value) > MAX_CHANNELS
    return entries_at(tree, path) if is_long else value


def _in_runs(tree: Any, ids: frozenset[str]) -> list[Place]:
    """Lists or bytes by themselves, else numbers by themselves: one instant a message."""
    if isinstance(tree, list) and is_numbers(tree):
        return [Place("flat", "list", (".",))]
    runs = _runs(tree, ids)
    lists = _chosen(_without_clocks(tree, [run for run in runs if run.n]))
    if lists is not None:
        return [lists]
    numbers = [run for run in runs if not run.n and not _is_fact(run.path)]
    single = _chosen(numbers)
    return [] if single is None else [replace(single, shape="each", is_of_lists=False)]


def _without_clocks(tree: Any, runs: list[_Run]) -> list[_Run]:
    """Lists of times beside the samples are none."""
    return [
        run
        for run in runs
        if run.form != "list"
        or not (len(runs) > 1 and grows_steadily(list(at(tree, run.path))))
    ]


def _is_fact(path: str) -> bool:
    """Named as time, counter, rate or identity."""
    kinds = (words.TIME, words.SEQUENCE, words.RATE, words.SPACING, words.IDENTITY)
    if words.axis_of(path) is not None:
        return False
    return words.time_unit_of(path) is not None or any(
        words.says(path, kind) for kind in kinds
    )


def is_sample_name(path: str) -> bool:
    last = path.rpartition(".")[2]
    return path == "." or words.says(path, words.SAMPLES) or words.axis_of(last) is not None


def _chosen(runs: list[_Run]) -> Place | None:
    """The runs that are the samples. is_named False: others may be meant, or none of them."""
    usable = [run for run in runs if not words.is_context(run.path)]
    if not usable:
        return None
    groups = _groups(usable)
    named = [group for group in groups if all(is_sample_name(run.path) for run in group)]
    axes = [group for group in named if words.are_axes([run.path for run in group])]
    for some in (axes, named, groups):
        if some:
            best = max(some, key=len)
            is_sure = len(groups) == 1 or (len(some) == 1 and some is not groups)
            return _place_of(best, is_sure and not _has_kin(best, usable))
    return None


def _has_kin(chosen: list[_Run], usable: list[_Run]) -> bool:
    """Whether something beside the chosen ones is as long, and may be a channel as well."""
    first = chosen[0]
    others = [
        run
        for run in usable
        if run not in chosen
        and not _is_fact(run.path)
        and not words.is_rotation([run.path])
    ]
    return any((run.n, run.form) == (first.n, first.form) for run in others)


def _groups(runs: Sequence[_Run]) -> list[list[_Run]]:
    """Runs of one length and form whose paths differ in one key alone."""
    groups: dict[tuple[object, ...], list[_Run]] = {}
    for run in runs:
        keys = run.path.split(".")
        axis = [place for place, key in enumerate(keys) if words.axis_of(key) is not None]
        where = axis[-1] if axis else len(keys) - 1
        stem = tuple(key for place, key in enumerate(keys) if place != where)
        is_axis = bool(axis) or bool(words.says(run.path, words.SAMPLES))
        groups.setdefault((stem, len(keys), run.form, run.n, is_axis), []).append(run)
    return list(groups.values())


def _place_of(group: list[_Run], is_sure: bool) -> Place:
    paths = tuple(run.path for run in group)[:MAX_CHANNELS]
    if len(paths) == 1 and group[0].n:
        return Place("flat", group[0].form, paths, is_named=is_sure)
    is_alone = len(paths) == 1 and is_sample_name(paths[0])
    is_named = (is_alone or words.are_axes(paths)) and not words.is_rotation(paths)
    is_named = is_named and is_sure
    return Place("each", group[0].form, paths, is_named=is_named)
