"""Raw messages: from bytes to the settings of format raw, or to a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.discovery import binary, ends, fields, layout
from monitor.discovery.binary import Stored
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.opened import unpacked
from monitor.records.signal import Float64

MIN_MESSAGES = 4
MAX_HEAD_BYTES = 64  # what seems longer is asked


@dataclass(frozen=True, slots=True)
class Blob:
    data: bytes
    received_ns: int
    stream: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the samples of a message are. n_before, n_behind : numbers that are none"""

    n_before: int
    n_behind: int
    n_channels: int
    layout: str


def settings_of(blobs: Sequence[Blob], notes: Notes) -> tuple[dict[str, Any], int] | None:
    """The settings beside format and compression, and the number of channels."""
    datas = [blob.data for blob in blobs]
    if len(blobs) < MIN_MESSAGES or sum(map(len, datas)) < binary.MIN_BYTES:
        notes.ask("messages", too_little(len(blobs)))
        return None
    stored = number_type(datas, notes)
    if stored is None:
        return None
    runs = numbers_in(stored, datas)
    cut = _cut(runs, stored, notes)
    if cut is None:
        return None
    n_head = _settled_head(datas, stored, cut, notes)
    if n_head is None:
        return None
    settings = settings_of_type(stored) | {"layout": cut.layout}
    if n_head:
        notes.say(
            "header", f"{n_head} bytes at the beginning do not follow from their neighbours"
        )
        settings["header"] = _header(blobs, n_head, stored, notes)
    n_tail = stored.tail + cut.n_behind * stored.width
    if n_tail not in (0, 1, 2, 4, 8):
        notes.ask("trailer_bytes", f"Are {n_tail} bytes behind the samples, or how many?")
        return None
    if n_tail:
        notes.say(
            "trailer_bytes", f"{n_tail} bytes at the end do not follow from those before"
        )
        settings["trailer_bytes"] = n_tail
    return settings, cut.n_channels


def _settled_head(
    datas: Sequence[bytes], stored: Stored, cut: Cut, notes: Notes
) -> int | None:
    """Bytes before the samples; None where they are asked for."""
    n_head = _head_bytes(datas, stored, cut.n_before)
    if n_head is None:
        notes.ask(
            "header",
            "Messages of several lengths do not begin alike: how long is a header?",
        )
        return None
    if _begins_oddly(n_head, stored, datas) and notes.answer("dtype") is None:
        other = "big" if stored.byte_order == "little" else "little"
        twin = replace(stored, byte_order=other)
        text = f"The samples begin at byte {n_head}, or in the other byte order before: which one?"
        notes.ask("dtype", text, [Choice(spelled(stored)), Choice(spelled(twin))])
        return None
    return n_head


def numbers_in(stored: Stored, datas: Sequence[bytes]) -> list[Float64]:
    with np.errstate(invalid="ignore"):
        return [stored.numbers(data).astype(np.float64) for data in datas]


def too_little(n: int) -> str:
    return (
        f"{n} message(s) are too few to tell the type of their bytes: listen longer, or write the"
        " configuration by hand?"
    )


def settings_of_type(stored: Stored) -> dict[str, Any]:
    order = {"byte_order": stored.byte_order} if stored.width > 1 else {}
    return {"dtype": stored.dtype, **order}


def number_type(
    datas: Sequence[bytes], notes: Notes, tails: Sequence[int] = ()
) -> Stored | None:
    """Type and byte order of the samples; None where they are asked for."""
    found = binary.readings(datas, tails)
    n_bytes = min(sum(map(len, datas)), binary.MAX_BYTES)
    if not found or binary.is_noise(found[0]):
        notes.ask("payload", _why_no_law(datas))
        return None
    found = binary.by_sign(found, datas)
    best, rivals = found[0], binary.rivals(found, n_bytes)
    if binary.is_sign_open(found, datas):
        rivals = [found[1], *rivals]
    has_twin = binary.has_shifted_twin(best, found) and not best.tail
    if has_twin and _has_tail(numbers_in(best, datas)):
        rivals = [one for one in found[1:] if one.width == best.width][:1] or rivals
    answered = _answered(found, notes, rivals)
    if answered is None:
        return None
    notes.say("dtype", _why(answered, found))
    return answered


def _why_no_law(datas: Sequence[bytes]) -> str:
    """What a whole message is packed with was taken off before."""
    packed = {unpacked(data)[0] for data in datas[:8]}
    if len(packed) == 1 and (inner := packed.pop()) in ("gzip", "zlib", "zstd"):
        return (
            f"The samples are {inner} within the message, which is not unpacked there: can the"
            " sender pack the whole message, or nothing?"
        )
    return (
        "The bytes follow no law: packed, encrypted, or no samples? Camshaft unpacks gzip,"
        " zlib, deflate and zstd."
    )


def _has_tail(runs: list[Float64]) -> bool:
    """Not surely none."""
    return ends.tail_of(runs, _likely_lag(runs)) != 0


def _answered(
    found: Sequence[Stored], notes: Notes, rivals: Sequence[Stored]
) -> Stored | None:
    if not rivals and notes.answer("dtype") is None:
        return found[0]
    shown = [found[0], *rivals[:4]]
    text = "Which numbers are these bytes, if any of these?"
    answer = notes.ask(
        "dtype", text, [Choice(spelled(one), _bits_text(one)) for one in shown]
    )
    return next((one for one in found if spelled(one) == answer), None)


def spelled(stored: Stored) -> str:
    """As a person writes it: int16 big"""
    return f"{stored.dtype} {stored.byte_order}" if stored.width > 1 else stored.dtype


def _bits_text(stored: Stored) -> str:
    if stored.dtype.startswith("float"):
        return "all numbers are finite and of one size"
    return f"{stored.bits:.2f} bits a byte unexplained"


def _why(best: Stored, found: Sequence[Stored]) -> str:
    other = next((one for one in found[1:] if not _are_kin(best, one)), None)
    more = f"; {spelled(other)} next: {_bits_text(other)}" if other is not None else ""
    return f"{spelled(best)}: {_bits_text(best)}{more}"


def _are_kin(one: Stored, other: Stored) -> bool:
    same = (one.byte_order, one.tail) == (other.byte_order, other.tail)
    return same and one.dtype.removeprefix("u") == other.dtype.removeprefix("u")


def _begins_oddly(n_head: int, stored: Stored, datas: Sequence[bytes]) -> bool:
    """Where few headers end; and the other byte order, a byte off, says as much."""
    is_odd = n_head % stored.width or n_head % (4 if stored.width == 3 else 2)
    return bool(is_odd) and binary.has_shifted_twin(stored, binary.readings(datas))


# -- ends and channels ----------------------------------------------------------------------------


def _cut(runs: list[Float64], stored: Stored, notes: Notes) -> Cut | None:
    """None where something of it is asked for."""
    lag = _likely_lag(runs)
    answered = _answered_head(notes, stored)
    head = ends.head_of(runs, lag) if answered is None else answered
    tail = ends.tail_of(runs, lag)
    if head is None or tail is None:
        notes.ask(
            "header", "Does a header stand before the samples, and of how many bytes?"
        )
        return None
    if answered is None and head * stored.width > MAX_HEAD_BYTES:
        notes.ask(
            "header",
            "No beginning of the samples is seen: of how many bytes is the header?",
        )
        return None
    bare = [run[head : len(run) - tail] for run in runs]
    if any(len(run) % lag for run in bare) and notes.answer("channels") is None:
        text = (
            f"The numbers look like {lag} channels side by side, but their count is no multiple of"
            f" {lag}: are there bytes before or behind the samples?"
        )
        notes.ask("header", text)
        return None
    found = channels_of(bare, notes)
    if found is not None and any(len(run) % found[0] for run in bare):
        notes.ask(
            "channels", f"Messages hold no whole number of {found[0]} channels: how many?"
        )
        return None
    return None if found is None else Cut(head, tail, *found)


def _answered_head(notes: Notes, stored: Stored) -> int | None:
    """How many numbers the answered header takes up; None where nobody has answered."""
    text = notes.answer("header")
    if text is None or not text.isdigit():
        return None
    notes.say("header", f"{text} bytes, as answered")
    return int(text) // stored.width


def _likely_lag(runs: list[Float64]) -> int:
    """The channels side by side, told from the middle of the messages."""
    middles = []
    for run in runs:
        n = (len(run) - min(len(run) // 3, 48)) // 24 * 24
        middles.append(run[len(run) - n :] if n else run)
    found = layout.readings(middles)
    is_sure = found and found[0].layout == "interleaved" and found[0].is_sure
    return found[0].n_channels if is_sure else 1


def channels_of(runs: Sequence[Float64], notes: Notes) -> tuple[int, str] | None:
    """(channels, layout) of runs of numbers; None where they are asked for."""
    answer = notes.answer("channels")
    found = layout.readings(runs)
    if answer is not None and answer.split()[0].isdigit():
        n, _, order = answer.partition(" ")
        notes.say("channels", f"{answer}, as answered")
        return int(n), order or "interleaved"
    if found and found[0].is_sure:
        notes.say("channels", _channels_text(found[0]))
        return found[0].n_channels, found[0].layout
    choices = [Choice(_spelled(one)) for one in found[:3]]
    text = "How many channels are in a message, side by side (interleaved) or in turn (planar)?"
    notes.ask("channels", text, choices)
    return None


def _spelled(reading: layout.Reading) -> str:
    n = reading.n_channels
    return "1" if n == 1 else f"{n} {reading.layout}"


def _channels_text(reading: layout.Reading) -> str:
    if reading.n_channels == 1:
        return "1: no two parts of the numbers differ as axes do"
    how = "side by side" if reading.layout == "interleaved" else "one after the other"
    return f"{reading.n_channels} {how}: so each is told best by its own"


def _head_bytes(datas: Sequence[bytes], stored: Stored, head: int) -> int | None:
    """None where it would differ between messages."""
    lengths = {(len(data) - stored.tail) % stored.width for data in datas}
    return lengths.pop() + head * stored.width if len(lengths) == 1 else None


def of_one_sender(blobs: Sequence[Blob]) -> list[Blob]:
    """Of the one with most messages."""
    streams = [blob.stream for blob in blobs]
    most = max(set(streams), key=streams.count)
    return [blob for blob in blobs if blob.stream == most]


def _header(
    blobs: Sequence[Blob], n_head: int, stored: Stored, notes: Notes
) -> dict[str, Any]:
    own = of_one_sender(blobs)
    heads = [blob.data[:n_head] for blob in own]
    return fields.header_of(
        heads, [blob.received_ns for blob in own], stored.byte_order, notes
    )
