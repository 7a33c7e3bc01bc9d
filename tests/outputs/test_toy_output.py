"""A second kind of output, known to this file alone, twice over: each gets every row once.

Nothing in monitor/ knows the toy: the runner, the cursors and thinning do with
it what they do with InfluxDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.journal.cursors import Cursor, JournalRow, RowKey
from monitor.journal.places import RowKind
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.outputs.base import Output, Step
from monitor.outputs.runner import IDLE_S, Runner
from monitor.records.batch import Batch, Event
from tests.verdicts import make_verdict

PLENTY = 1 << 30
N_ROWS = 20


class Lines:
    """Keeps what it gets in a list, at most so many rows a step; refuses every seventh verdict."""

    kinds: Sequence[RowKind] = ("verdict", "event")
    from_start = True
    batch_rows = 8
    rejection = "Lines refuses row {row_id}: {reason}"
    log_period_s = 60.0

    def __init__(self, name: str, rows_per_step: int) -> None:
        self.name = self.title = name
        self.got: list[RowKey] = []
        self.is_away = False
        self._rows_per_step = rows_per_step

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        if self.is_away:
            return Step(trouble=f"{self.name} is away.")
        keys = [row.key for row in rows[: self._rows_per_step]]
        refused = {
            key: "unlucky" for key in keys if key[0] == "verdict" and key[1] % 7 == 0
        }
        accepted = [key for key in keys if key not in refused]
        self.got += accepted
        return Step(accepted=accepted, rejected=refused)

    def close(self) -> None:
        pass


def run(path: Path, output: Output, n_steps: int = 1000) -> float:
    """The output in a process of its own: it begins where the journal says, and may be cut off."""
    cursor = Cursor(path, output.name, output.kinds, output.from_start)
    runner = Runner(output, cursor, jitter=lambda: 1.0)
    now_s = delay_s = 0.0
    for _ in range(n_steps):
        delay_s = runner.step(now_s, round(now_s * 1e9))
        if delay_s:
            break
    cursor.close()
    return delay_s


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path / "journal")
    events = [Event(1, "m/p", "alarm_raised", "so it is")]
    found.commit(Batch(verdicts=[make_verdict(n) for n in range(N_ROWS)], events=events))
    yield found
    found.close()


EXPECTED: list[RowKey] = [
    *(("verdict", n) for n in range(1, N_ROWS + 1) if n % 7),
    ("event", 1),
]


@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cuts=st.lists(st.integers(1, 3), max_size=8), sizes=st.tuples(*[st.integers(1, 9)] * 2)
)
def test_two_of_a_kind_get_each_row_once_and_in_order(
    cuts: list[int], sizes: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever their speeds, and however often the process is stopped between two steps."""
    path = tmp_path_factory.mktemp("toy") / "journal"
    book = Journal(path)
    events = [Event(1, "m/p", "alarm_raised", "so it is")]
    book.commit(Batch(verdicts=[make_verdict(n) for n in range(N_ROWS)], events=events))
    book.close()
    quick, slow = Lines("quick", sizes[0]), Lines("slow", sizes[1])
    for n_steps in cuts:
        run(path, quick, n_steps)
        run(path, slow, n_steps)
    assert run(path, quick) == run(path, slow) == IDLE_S
    assert quick.got == slow.got == EXPECTED
    delivery = JournalReader(path).books().delivery
    assert delivery["quick"] == delivery["slow"]
    assert delivery["quick"]["verdict"] == (N_ROWS - 2, 2, 0)


def test_one_that_is_away_holds_up_no_other(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    here, away = Lines("here", 9), Lines("away", 9)
    away.is_away = True
    assert run(journal.path, away) > 0
    assert run(journal.path, here) == IDLE_S
    assert here.got == EXPECTED
    assert away.got == []
    assert caplog.text.count("away is away.") == 1


def test_thinning_waits_for_the_slowest(journal: Journal) -> None:
    here, away = Lines("here", 9), Lines("away", 5)
    run(journal.path, here)
    run(journal.path, away, n_steps=1)
    both = ["here", "away"]
    assert journal.thin(0, PLENTY, both) == {"delivered_rows": 5}
    assert journal.thin(0, PLENTY, ["here"]) == {"delivered_rows": N_ROWS - 5}


def test_rows_nobody_has_go_last_and_are_told_apart(journal: Journal) -> None:
    run(journal.path, Lines("slow", 3), n_steps=1)
    assert journal.thin(0, PLENTY, ["slow"]) == {"delivered_rows": 3}
    assert journal.thin(0, PLENTY, ["slow"]) == {"undelivered_rows": N_ROWS - 3}


def test_what_comes_back_into_the_configuration_goes_on_where_it_stood(
    journal: Journal,
) -> None:
    first = Lines("plant", 4)
    run(journal.path, first, n_steps=2)
    journal.commit(Batch(verdicts=[make_verdict(N_ROWS)]))
    again = Lines("plant", 4)
    run(journal.path, again)
    assert [*first.got, *again.got] == [
        *EXPECTED[:-1],
        *([("verdict", N_ROWS + 1)] if (N_ROWS + 1) % 7 else []),
        EXPECTED[-1],
    ]


def make_newcomer() -> Lines:
    newcomer = Lines("newcomer", 4)
    newcomer.from_start = False
    return newcomer


@pytest.mark.parametrize(("make", "n"), [(make_newcomer, 0), (lambda: Lines("all", 4), 19)])
def test_a_new_output_gets_the_past_only_if_it_wants_it(
    journal: Journal, make: Callable[[], Lines], n: int
) -> None:
    output = make()
    run(journal.path, output)
    assert len(output.got) == n
