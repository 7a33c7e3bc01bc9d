"""Times as senders write them, to nanoseconds since 1970 in UTC. Every digit is kept.

Texts: ISO 8601 in all its spellings, also with a blank, a comma, "Z" in small
letters, "UTC", up to 12 decimals or Java's [Europe/Berlin] at the end; .NET's
/Date(1795704411000)/; RFC 1123 ("Thu, 26 Nov 2026 14:00:00 GMT"). A text
without a zone is UTC. Counts: since any of the origins below. An object of
seconds and nanoseconds since 1970 (ROS, Protobuf, AWS) is a time in any format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Literal

MAX_TEXT = 64  # characters of a time or a number given as text
MAX_START_NS = 2**63 - 1  # in the year 2262
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TimeFormat = Literal[
    "iso8601", "s", "ms", "us", "ns", "dotnet_ticks", "filetime", "ole_days", "labview_s"
]
# Of the samples within a message alone: counted from any moment, the sensor's start say.
RelativeFormat = Literal["relative_s", "relative_ms", "relative_us", "relative_ns"]

NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# Nanoseconds a unit, and the seconds from 1970 to where counting begins.
COUNTS = {unit: (ns, 0) for unit, ns in NS_PER_UNIT.items()} | {
    "dotnet_ticks": (100, -62_135_596_800),  # DateTime.Ticks: since the year 1
    "filetime": (100, -11_644_473_600),  # Windows and OPC UA: since 1601
    "ole_days": (
        86_400 * 10**9,
        -2_209_161_600,
    ),  # DateTime.ToOADate(): since 30 December 1899
    "labview_s": (10**9, -2_082_844_800),  # since 1904
}

# Keys of an object that holds a time in two parts, without signs and in small letters.
_SECONDS = ("seconds", "secs", "sec", "timeinseconds")
_NANOSECONDS = ("nanos", "nsecs", "nsec", "nanosec", "nanoseconds", "offsetinnanos")

_FRACTION = re.compile(r"(.*\d)[.,]([0-9]{1,12})(\D.*)?", re.ASCII | re.DOTALL)
_DOTNET = re.compile(r"\\?/Date\((-?[0-9]{1,16})(?:[+-][0-9]{4})?\)\\?/")
_JAVA_ZONE = re.compile(r"\[[\w/+-]{1,40}\]$")
_ZONE_WORD = re.compile(r"\s*(?:z|utc|gmt)$", re.IGNORECASE)


def time_ns(value: object, unit: str) -> int | None:
    """ns since 1970 of a stated time. None where it is no such time."""
    if isinstance(value, Mapping):
        return _in_two_parts_ns(value)
    if unit == "iso8601":
        return _text_ns(value)
    unit_ns, origin_s = COUNTS[unit]
    count_ns = count_in_ns(value, unit_ns)
    return None if count_ns is None else count_ns + origin_s * 10**9


def _in_two_parts_ns(value: Mapping[object, object]) -> int | None:
    """{"sec": 1795704411, "nanosec": 5}. None where anything else stands there."""
    parts = {re.sub(r"[^a-z]", "", str(key).lower()): part for key, part in value.items()}
    seconds = next((parts[key] for key in _SECONDS if key in parts), None)
    rest = next((parts[key] for key in _NANOSECONDS if key in parts), None)
    counts = count_in_ns(seconds, 10**9), count_in_ns(rest, 1)
    if len(parts) != 2 or counts[0] is None or counts[1] is None:
        return None
    return counts[0] + counts[1]


def rule_of(unit: str) -> str:
    """What a time of this format must be, for a sentence."""
    origins = {
        "dotnet_ticks": "a count of 100 ns since the year 1",
        "filetime": "a count of 100 ns since 1601",
        "ole_days": "a count of days since 30 December 1899",
        "labview_s": "a count of seconds since 1904",
        "iso8601": "an ISO 8601 time",
    }
    return origins.get(unit, f"a count of {unit} since 1970")


def count_in_ns(value: object, unit_ns: int) -> int | None:
    """A count of units, as a number or its text, in ns. Whole numbers and text keep every digit."""
    if isinstance(value, str) and (
        found := re.fullmatch(r"([0-9]{1,19})(?:\.([0-9]{1,12}))?", value.strip())
    ):
        return (
            int(found[1]) * unit_ns
            + int((found[2] or "").ljust(12, "0")) * unit_ns // 10**12
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # By its decimal digits: the product of binary numbers would invent nanoseconds.
    if isinstance(value, float):
        return int(Decimal(repr(value)) * unit_ns) if abs(value) < MAX_START_NS else None
    return value * unit_ns


def _text_ns(value: object) -> int | None:
    if isinstance(value, datetime):  # CBOR and MessagePack bring such
        return _since_1970(value)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    text = value.strip()
    if found := _DOTNET.fullmatch(text):
        return int(found[1]) * 10**6
    if text[:1].isalpha():
        return _rfc_1123_ns(text)
    return _iso_ns(text)


def _iso_ns(text: str) -> int | None:
    fraction_ns, text = 0, _ZONE_WORD.sub("+00:00", _JAVA_ZONE.sub("", text))
    if found := _FRACTION.fullmatch(text):
        text, fraction_ns = found[1] + (found[3] or ""), int(found[2].ljust(9, "0")[:9])
    text = re.sub(r"\s+(?=[+-])", "", text)
    text = re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", text)
    try:
        since = _since_1970(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None
    return None if since is None else since + fraction_ns


def _rfc_1123_ns(text: str) -> int | None:
    try:
        return _since_1970(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None


def _since_1970(time: datetime) -> int | None:
    try:
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return (time - EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        return None
