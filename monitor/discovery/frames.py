"""Raw messages that hold a struct for each instant: a clock or a counter among its fields shows it.

A field that goes on in steps that are nearly alike, at one place in every so
many bytes of every message, is no vibration. What is left of the struct are the
samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from monitor.discovery import clocks
from monitor.discovery.nodes import grows_steadily
from monitor.discovery.notes import Choice, Notes
from monitor.records.signal import Float64

FRAMES = range(4, 41)  # bytes
MIN_INSTANTS = 8  # of a message
MIN_MESSAGES = 4
N_MESSAGES = 12  # looked at
MAX_HEAD_BYTES = 64
TRAILERS = (1, 2, 4)  # bytes of a checksum
CODES = ("u8", "f8", "u4", "f4", "u2")  # the widest first: of equals it is the one
NAMES = {"u8": "uint64", "u4": "uint32", "u2": "uint16", "f8": "float64", "f4": "float32"}
ORDERS = {"<": "little", ">": "big"}
LARGEST = 2.0**64
LARGEST_TIME, LEAST_STEP = 1e13, 1e-6  # of floating point, in seconds or milliseconds
SAME_UNIT = 0.2  # how far a message's span may be off the time between two

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clock:
    """frame : bytes of the struct. at : of the first clock in a message"""

    frame: int
    at: int
    code: str
    order: str

    @property
    def width(self) -> int:
        return int(self.code[1])

    @property
    def span(self) -> range:
        return range(self.at, self.at + self.width)

    def values(self, data: Bytes) -> Float64:
        """At each instant of a message."""
        n = (len(data) - self.at - self.width) // self.frame + 1
        cut = np.lib.stride_tricks.as_strided(
            data[self.at :], (max(n, 0), self.width), (self.frame, 1)
        )
        words = np.ascontiguousarray(cut).view(self.order + self.code)
        with np.errstate(invalid="ignore"):
            return words[:, 0].astype(np.float64)


def clock_of(datas: Sequence[bytes], received_ns: Sequence[int]) -> Clock | None:
    """The clock of the smallest struct that has one; of those that overlap, one that keeps step
    with the arrivals in a unit of time goes before the steadiest.

    received_ns : of the messages, all of one sender
    """
    if len(datas) < MIN_MESSAGES:
        return None
    messages = [np.frombuffer(data, np.uint8) for data in datas[:N_MESSAGES]]
    shortest = min(map(len, messages))
    for frame in FRAMES:
        if shortest < frame * MIN_INSTANTS + MAX_HEAD_BYTES:
            return None
        found = [
            (clock, _unsteadiness(clock, messages)) for clock in _clocks(frame, messages[0])
        ]
        steady = {clock: spread for clock, spread in found if spread is not None}
        if steady:
            units = {clock: unit_of(clock, 0, datas, received_ns) for clock in steady}
            return min(steady, key=lambda one: (units[one] is None, steady[one]))
    return None


def _clocks(frame: int, data: Bytes) -> Iterator[Clock]:
    """What may be clocks, by one message. Behind what may be a header."""
    first = MAX_HEAD_BYTES - MAX_HEAD_BYTES % frame
    codes = [code for code in CODES if int(code[1]) < frame]
    for code, at, order in product(codes, range(first, first + frame), ORDERS):
        clock = Clock(frame, at, code, order)
        values = clock.values(data)
        if _goes_on(values) and (code[0] == "u" or _are_times(values)):
            yield clock


def _goes_on(values: Float64) -> bool:
    if not np.all(np.abs(values) < LARGEST):
        return False  # nor what is no number
    steps = np.diff(values)
    return bool(np.all(steps >= 0) and np.any(steps > 0))


def _are_times(values: Float64) -> bool:
    """Whole numbers read as floating point go on as well, but are of no size that times have."""
    return bool(values[-1] < LARGEST_TIME and np.diff(values).max() > LEAST_STEP)


def _unsteadiness(clock: Clock, messages: Sequence[Bytes]) -> float | None:
    """How far its steps are from alike; None where it is no clock in all messages."""
    spreads = []
    for data in messages:
        values = clock.values(data)
        if not _goes_on(values) or not _is_steady(values):
            return None
        steps = np.diff(values)
        if clock.code == "u2" and not np.all(steps == 1):
            return None  # so few bits go on by accident
        spreads.append(float(steps.std() / steps.mean()))
    return float(np.mean(spreads))


def _is_steady(values: Float64) -> bool:
    """On a line but for rounding, or with holes in it."""
    n = len(values) - 1
    slope = (values[-1] - values[0]) / n
    off = values - values[0] - slope * np.arange(n + 1)
    return bool(np.ptp(off) <= max(2.0, slope)) or grows_steadily(values.tolist())


def values_of(clock: Clock, head: int, datas: Sequence[bytes]) -> list[Float64]:
    placed = replace(clock, at=head + clock.at)
    return [placed.values(np.frombuffer(data, np.uint8)) for data in datas]


def unit_of(
    clock: Clock, head: int, datas: Sequence[bytes], received_ns: Sequence[int]
) -> str | None:
    """The format of its times: near the arrival; a count by its growth over the messages, or, where
    it begins anew, by that within one.
    """
    every = values_of(clock, head, datas)
    kind = int if clock.code[0] == "u" else float
    firsts = [kind(values[0]) for values in every]
    if name := clocks.format_of(firsts, received_ns):
        return name if clocks.keeps_pace(firsts, received_ns, name) else None
    unit = clocks.unit_of_count(firsts, received_ns) or _unit_within(every, received_ns)
    return None if unit is None else f"relative_{unit}"


def _unit_within(every: Sequence[Float64], received_ns: Sequence[int]) -> str | None:
    """Of a count that begins anew in each message, where messages follow each other."""
    apart_s = float(np.median(np.diff(received_ns))) / 1e9
    spans = [(values[-1] - values[0]) * len(values) / (len(values) - 1) for values in every]
    if apart_s <= 0 or len({values[0] for values in every}) > 1:
        return None
    for unit, step in clocks.STEPS.items():
        if abs(float(np.median(spans)) / step / apart_s - 1) < SAME_UNIT:
            return unit
    return None


# -- the struct around it -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frames:
    """A struct for each instant. head, tail : bytes before the first and behind the last one
    clock : with its place in the struct in place of that in the message
    """

    head: int
    tail: int
    clock: Clock

    def table(self, data: bytes) -> Bytes:
        """(n, bytes of the struct) of a message."""
        body = data[self.head : len(data) - self.tail]
        return np.frombuffer(body, np.uint8).reshape(-1, self.clock.frame)

    def rests(self, datas: Sequence[bytes]) -> list[bytes]:
        """Of each message what is not the clock."""
        own = list(self.clock.span)
        return [np.delete(self.table(data), own, axis=1).tobytes() for data in datas]


def frames_of(clock: Clock, datas: Sequence[bytes], notes: Notes) -> Frames | None:
    """Where the structs begin and end; None where it is asked."""
    lengths = {len(data) % clock.frame for data in datas}
    if len(lengths) > 1:
        notes.ask(
            "header", "Messages hold no whole number of structs: how long is a header?"
        )
        return None
    over = lengths.pop()
    ends = [(over, 0)] + [(0, over)] * (over in TRAILERS)
    heads = ((_first_head(clock, least, datas), tail) for least, tail in ends)
    found = [_framed(clock, head, tail) for head, tail in heads]
    whole = [one for one in found if one.clock.at + clock.width <= clock.frame]
    edges = (0, clock.frame - clock.width)  # where most clocks are
    likely = [one for one in whole if one.clock.at in edges] or whole
    if len(likely) > 1 and _is_header([data[:over] for data in datas]):
        likely = [one for one in likely if one.head]
    answer = notes.answer("header")
    if answer is not None:
        likely = [one for one in whole if str(one.head) == answer]
    if len(likely) == 1:
        return likely[0]
    text = (
        "Bytes stand before the structs of the instants, or behind them: how many before?"
    )
    notes.ask("header", text, [Choice(str(one.head)) for one in whole])
    return None


def _is_header(starts: Sequence[bytes]) -> bool:
    """The same in every message, or a counter: samples are not so."""
    little = [int.from_bytes(start, "little") for start in starts]
    big = [int.from_bytes(start, "big") for start in starts]
    return len(set(starts)) == 1 or any(map(clocks.is_counter, (little, big)))


def _framed(clock: Clock, head: int, tail: int) -> Frames:
    at = (clock.at - head) % clock.frame
    return Frames(head, tail, replace(clock, at=at))


def _first_head(clock: Clock, least: int, datas: Sequence[bytes]) -> int:
    """The shortest header, of so many bytes and whole structs, behind which all is in step."""
    heads = range(least, MAX_HEAD_BYTES + clock.frame, clock.frame)
    return next((head for head in heads if _begins_with(clock, head, datas)), heads[-1])


def _begins_with(clock: Clock, head: int, datas: Sequence[bytes]) -> bool:
    moved = replace(clock, at=head + (clock.at - head) % clock.frame)
    for data in datas[:N_MESSAGES]:
        steps = np.diff(moved.values(np.frombuffer(data, np.uint8)))
        least, most = np.percentile(steps, 10) / 2, np.percentile(steps, 90) * 2
        first = steps[: MAX_HEAD_BYTES // clock.frame + 1]
        if first.min() < least or first.max() > most:
            return False
    return True
