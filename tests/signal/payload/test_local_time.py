"""Local times without a zone, also in the night the clocks go back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records.signal import Message
from monitor.signal.payload.csv_text import CsvPayload
from monitor.signal.payload.json_object import JsonPayload
from monitor.signal.payload.local_time import with_offset
from monitor.signal.payload.times import time_ns
from tests.payloads import decode_one
from tests.signals import configure

BERLIN = ZoneInfo("Europe/Berlin")
RULE = configure().sensors[0]
# of the 25th in Berlin: the clocks go back at 3
MIDNIGHT = datetime(2026, 10, 24, 22, tzinfo=UTC)


def ns_of(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def local(time: datetime) -> str:
    return time.astimezone(BERLIN).replace(tzinfo=None).isoformat()


@pytest.mark.parametrize("late_s", [0.3, 600])
def test_the_night_the_clocks_go_back_has_no_hour_twice(late_s: float) -> None:
    """Case d17-local-time-dst: 7,200 verdicts, 3,600 rows."""
    payload = JsonPayload(format="json", time_zone="Europe/Berlin")
    starts = []
    for n in range(400):
        time = MIDNIGHT + timedelta(seconds=37.137 * n)
        tree = {"time": local(time), "samples": [0.1, -0.4]}
        received_ns = ns_of(time) + round(late_s * 1e9)
        message = Message("t", json.dumps(tree).encode(), received_ns)
        starts.append(decode_one(message, payload, "m/p", RULE).start_ns or 0)
        assert starts[-1] == ns_of(time)
    assert all(after > before for before, after in pairwise(starts))


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 10**9 - 1),
    st.sampled_from(
        ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]
    ),
)
def test_a_local_time_comes_back_with_every_digit(
    time: datetime, fraction_ns: int, zone: str
) -> None:
    time = time.replace(microsecond=0)
    text = time.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()
    stated = with_offset(f"{text}.{fraction_ns:09d}", zone, ns_of(time) + 10**9)
    assert time_ns(stated, "iso8601") == ns_of(time) + fraction_ns


@pytest.mark.parametrize(
    "value",
    [
        "2026-10-25T02:30:00Z",
        "2026-10-25T02:30:00+05:00",
        "yesterday",
        5,
        None,
        "2026-13-01T00:00",
        "0001-01-01T00:00",
    ],
)
def test_what_names_its_zone_or_is_no_time_stays(value: object) -> None:
    assert with_offset(value, "Europe/Berlin", ns_of(MIDNIGHT)) == value


def test_lines_of_csv_may_be_local() -> None:
    payload = CsvPayload(format="csv", time_column="1", time_zone="Europe/Berlin")
    lines = [f"{n},{local(MIDNIGHT + timedelta(milliseconds=500 * n))}" for n in range(4)]
    message = Message("t", "\n".join(lines).encode(), ns_of(MIDNIGHT))
    assert decode_one(message, payload, "m/p", RULE).start_ns == ns_of(MIDNIGHT)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"time_zone": "Europe/Berln"}, "is no zone that this host knows"),
        ({"time_zone": "../../etc/passwd"}, "is no zone that this host knows"),
        ({"time_zone": "Europe/Berlin", "time_format": "ms"}, "time_zone is for texts"),
    ],
)
def test_a_zone_that_cannot_be_is_refused(settings: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        JsonPayload(format="json", **settings)
