"""Trouble is said when it is new, and then once a period with its count."""

from __future__ import annotations

import logging

import pytest

from monitor.log_limiter import MAX_TROUBLES, LogLimiter

log = logging.getLogger("test")


def test_each_trouble_has_its_own_period(caplog: pytest.LogCaptureFixture) -> None:
    log_limiter = LogLimiter(log, 300.0)
    for now_s in range(0, 700, 10):
        log_limiter.note(logging.WARNING, "b" if now_s % 100 == 50 else "a", now_s)
    times = " times since the last such line)"
    assert [record.message for record in caplog.records] == [
        "a",
        "b",
        f"a (27{times}",
        f"b (3{times}",
        f"a (27{times}",
        f"b (3{times}",
    ]


def test_changing_words_can_be_the_same_trouble(caplog: pytest.LogCaptureFixture) -> None:
    log_limiter = LogLimiter(log, 60.0)
    for now_s in range(100):
        log_limiter.note(logging.WARNING, f"answer {now_s}", now_s, "waiting")
    said = [record.message for record in caplog.records]
    assert said == ["answer 0", "answer 60 (60 times since the last such line)"]


def test_many_troubles_in_turns_are_no_line_each(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand topics of garbage gave a line a message: each was forgotten before its turn."""
    log_limiter = LogLimiter(log, 60.0)
    for now_s in range(50):
        for topic in range(1000):
            log_limiter.note(logging.WARNING, f"refused on {topic}", now_s)
    assert len(caplog.records) == MAX_TROUBLES + 1
    log_limiter.note(logging.WARNING, "another", 200.0)
    log_limiter.note(logging.WARNING, "another", 201.0)
    assert [record.message for record in caplog.records][-1] == "another"
