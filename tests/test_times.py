"""Times as a person types them, in every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.commands.arguments import joined
from monitor.times import SECONDS_PER_UNIT, TimeError, clock, moment, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
# 2026-10-27T01:35:17 UTC, two days after a night of 25 hours
NOW_NS = 1_793_062_517_123_600_417


def ns(text: str) -> int:
    at = datetime.fromisoformat(text).astimezone(UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


@pytest.mark.parametrize(
    ("text", "beginning", "end"),
    [
        ("2026-10-24T08:30", "2026-10-24T08:30+02:00", "2026-10-24T08:30+02:00"),
        (
            "2026-10-26 08:30:15.25",
            "2026-10-26T08:30:15.25+01:00",
            "2026-10-26T08:30:15.25+01:00",
        ),
        ("2026-10-24T08:30Z", "2026-10-24T08:30+00:00", "2026-10-24T08:30+00:00"),
        ("2026-10-24T08:30-05:30", "2026-10-24T14:00+00:00", "2026-10-24T14:00+00:00"),
        ("2026-10-25", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),  # 25 hours
        ("2026-03-29", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),  # 23 hours
        (
            "2026-10-25T02:30",
            "2026-10-25T02:30+02:00",
            "2026-10-25T02:30+01:00",
        ),  # comes twice
        ("today", "2026-10-27T00:00+01:00", "2026-10-28T00:00+01:00"),
        ("yesterday", "2026-10-26T00:00+01:00", "2026-10-27T00:00+01:00"),
    ],
)
def test_a_time_means_what_its_zone_says(text: str, beginning: str, end: str) -> None:
    """Case p02-report-times."""
    assert moment(text, NOW_NS, BERLIN, "--from") == ns(beginning)
    assert moment(text, NOW_NS, BERLIN, "--to", end=True) == ns(end)


def test_yesterday_is_the_zones_own() -> None:
    """At half past one in UTC it is still the day before in New York."""
    new_york = ZoneInfo("America/New_York")
    assert moment("yesterday", NOW_NS, new_york, "--from") == ns("2026-10-25T00:00-04:00")


@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS_PER_UNIT)))
def test_ago_is_exact(n: int, unit: str) -> None:
    found = moment(f"-{n}{unit}", NOW_NS, None, "--from")
    assert NOW_NS - found == n * SECONDS_PER_UNIT[unit] * 10**9
    assert moment("now", NOW_NS, None, "--to") == NOW_NS


@given(
    st.integers(10**9, 4 * 10**9),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
)
def test_a_time_told_is_understood(at_s: int, name: str) -> None:
    """But for the hour that comes twice, which its zone's letters tell apart, not its numbers."""
    zone = ZoneInfo(name)
    told = clock(at_s * 10**9, zone).rpartition(" ")[0]
    meant = {moment(told, NOW_NS, zone, "--to", end=late) for late in (False, True)}
    assert at_s * 10**9 in meant


@pytest.mark.parametrize(
    "text",
    ["", "24.11.2026", "11/24/2026", "-1", "-1y", "1h", "2026-13-01", "tomorrow", "٢٠٢٦"],
)
def test_what_is_no_time_is_one_sentence(text: str) -> None:
    with pytest.raises(
        TimeError, match=r"--from .*: must be a time: ISO 8601 such as .*-1h or"
    ):
        moment(text, NOW_NS, BERLIN, "--from")


def test_an_unknown_zone_is_one_sentence() -> None:
    for name in ("Mars/Base", "../../etc/passwd", "", "+01:00"):
        with pytest.raises(TimeError, match=r"--tz .*: must be a zone this host knows"):
            zone_of(name)
    assert zone_of(None) is None


def test_an_age_is_no_option() -> None:
    assert joined(["report", "--from", "-1h", "--to", "-5min", "-c", "f"]) == [
        *("report", "--from=-1h", "--to=-5min", "-c", "f")
    ]
    assert joined(["--from", "-c", "-1h"]) == ["--from", "-c", "-1h"]
