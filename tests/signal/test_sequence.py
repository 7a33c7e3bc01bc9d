"""Counters of declared width: a loss across the wrap, and a reboot, are told apart."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Gap, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.payload.raw import RawPayload
from monitor.signal.sequence import Step, is_in, step
from monitor.signal.windows import Windower, WindowSettings
from tests.laws.test_windows import counted, feed

BITS = st.sampled_from([8, 12, 16, 32])


@given(BITS, st.integers(0, 2**32), st.integers(0, 60), st.floats(-0.2, 0.2))
@example(8, 100, 255, 0.0)  # the same number again
def test_a_loss_is_a_loss_wherever_it_lies(
    bits: int, last: int, lost: int, jitter: float
) -> None:
    last %= 2**bits
    now = (last + lost + 1) % 2**bits
    for n_passed in (None, lost + jitter):
        if n_passed is None and lost >= 2**bits / 8:
            continue  # without times it may as well be a restart
        found = step(last, now, bits, n_passed)
        assert found.reason == ("gap" if lost else "")
        assert found.is_new_lap == (last + lost + 1 >= 2**bits)
        for missing in range(last + 1, last + 1 + lost):
            assert found.hole is not None
            assert is_in(found.hole, missing % 2**bits, bits)
        assert found.hole is None or not is_in(found.hole, now, bits)
        assert found.hole is None or not is_in(found.hole, last, bits)


@given(BITS, st.integers(40, 2**32), st.sampled_from([0, 1]), st.floats(-0.5, 3))
def test_a_reboot_is_told_by_time(bits: int, last: int, now: int, pause: float) -> None:
    """The numbers say that many are missing, the clock that hardly any can be."""
    last = 40 + last % (2**bits - 80)
    assert step(last, now, bits, pause).reason == "sequence_reset"


@pytest.mark.parametrize(
    ("last", "now", "n_passed", "reason"),
    [
        (200, 0, None, "sequence_reset"),
        (200, 1, None, "sequence_reset"),
        (250, 0, None, "gap"),  # 5 lost is likelier than a reboot just there
        (200, 0, 55.0, "gap"),
        (200, 0, 5000.0, "gap"),  # an outage of many laps: the number tells nothing
        (200, 100, None, "sequence_reset"),  # backwards, or 155 lost
        (200, 100, 155.0, "gap"),
        (100, 99, -1.0, "sequence_reset"),
        (
            0,
            33,
            41.9,
            "gap",
        ),  # 32 are missing: 2 and a quarter more or less may have passed
        (0, 33, 42.0, "gap"),
        (0, 33, 42.1, "sequence_reset"),
        (0, 33, 22.0, "gap"),
        (0, 33, 21.9, "sequence_reset"),
        (0, 33, 256.0, "sequence_reset"),  # a lap tells, more does not
        (0, 33, 256.1, "gap"),
        (224, 0, None, "gap"),  # 31 of 256
        (223, 0, None, "sequence_reset"),  # 32: an eighth
        (224, 1, None, "sequence_reset"),
        (0, 128, None, "gap"),  # 127 missing
        (0, 129, None, "sequence_reset"),  # half a lap
    ],
)
def test_eight_bits(last: int, now: int, n_passed: float | None, reason: str) -> None:
    assert step(last, now, 8, n_passed).reason == reason


@pytest.mark.parametrize(
    ("last", "now", "is_new_lap", "reason", "hole"),
    [
        (4, 5, False, "", None),
        (4, 6, False, "gap", (5, 6)),
        (4, 4, False, "sequence_reset", None),
        (5, 4, False, "sequence_reset", None),
        (254, 0, False, "sequence_reset", None),
        (255, 0, True, "", None),
        (255, 1, False, "sequence_reset", None),
        (65_535, 0, True, "", None),
        (2**32 - 1, 0, True, "", None),
        (1023, 0, False, "sequence_reset", None),
    ],
)
def test_a_counter_of_no_declared_width(
    last: int, now: int, is_new_lap: bool, reason: str, hole: tuple[int, int] | None
) -> None:
    assert step(last, now, None, None) == Step(reason, hole, is_new_lap)
    if hole is not None:
        inside = [number for number in range(10) if is_in(hole, number, None)]
        assert inside == list(range(*hole))


@given(st.integers(0, 255), st.integers(1, 300), st.integers(1, 20))
def test_one_loss_is_one_gap_with_every_number_of_the_lap(
    first: int, lost_at: int, n_lost: int
) -> None:
    """Undeclared, a loss across the wrap was a restart."""
    sent = counted(700, first, 256, n_timed=700)
    windower = Windower("m/p", WindowSettings("continuous", 5, 5, sequence_bits=8))
    windows, ended = feed(windower, sent[:lost_at] + sent[lost_at + n_lost :])
    assert [item.reason for item in ended] == ["gap"]
    n_ended = sum(item.n_new for item in ended if isinstance(item, Gap))
    n_windows = sum(window.n_new for window in windows)
    assert n_windows + n_ended + windower.n_waiting == 7 * (700 - n_lost)


def test_a_message_late_across_the_wrap_is_late() -> None:
    sent = counted(12, 250, 256, n_timed=12)
    windower = Windower("m/p", WindowSettings("continuous", 5, 5, sequence_bits=8))
    _, ended = feed(windower, [*sent[:5], *sent[7:9], sent[6], *sent[9:]])
    assert [item.reason for item in ended] == ["gap", "out_of_order"]


def read(sequence: int, bits: int | None) -> Chunk:
    rule = SensorSettings(sample_rate_hz=100, sequence_bits=bits)
    payload = RawPayload(format="raw")
    settings = DecoderSettings(payload, "m/p", lambda name: rule)
    return decode(Message("t", bytes(8), 0, {"sequence": str(sequence)}), settings)[0]


def test_a_number_that_the_width_cannot_hold_is_refused() -> None:
    assert read(255, 8).sequence == 255
    assert read(256, None).sequence == 256
    with pytest.raises(PayloadError, match="256 needs more than sequence_bits = 8"):
        read(256, 8)
