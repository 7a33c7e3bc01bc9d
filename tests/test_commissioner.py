"""Commissioning: who may learn what, what is on record, and what a baseline belongs to."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor.commissioner import n_runs
from monitor.journal.commissioning import spread
from monitor.journal.labels import LabelStore
from monitor.journal.migrations import MIGRATIONS
from monitor.records.labels import Label, LabelRequest
from monitor.records.verdict import Status, Verdict
from tests.plant import SENSOR, Plant
from tests.signals import START_NS

S = 10**9


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def statuses(verdicts: Sequence[Verdict]) -> Counter[str]:
    return Counter(verdict.status.value for verdict in verdicts)


def mostly_ok(verdicts: Sequence[Verdict]) -> bool:
    """One in a hundred healthy windows lies above the limit: so it was set."""
    found = statuses(verdicts)
    return set(found) <= {"OK", "NG"} and found["OK"] >= 0.9 * len(verdicts)


def make_healthy(plant: Plant) -> None:
    """A commissioned sensor that is judged OK."""
    assert statuses(plant.run(60)) == {"LEARNING": 120}
    assert plant.command(SENSOR, "--author", "Ann") == 0
    assert statuses(plant.run(10)) == {"OK": 20}


def make_faulty(plant: Plant) -> None:
    """Its alarm stands."""
    make_healthy(plant)
    faulty = plant.run(60, level=8.0)
    assert statuses(faulty) == {"NG": 120}
    assert faulty[-1].alarm == "raised"


# -- the guard ------------------------------------------------------------------------------------


def test_a_fault_is_not_learned(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    """Commissioned at many times the limit while the alarm stands: exit 0, and OK from then on."""
    make_faulty(plant)
    assert plant.command(SENSOR, "--windows", "100") == 2
    said = capsys.readouterr().err
    assert "an alarm stands since 2023-11-14 22:1" in said
    assert "100 of the windows are NG" in said
    assert "make the fault the new normal" in said
    assert "--even-so REASON --author NAME" in said
    after = plant.run(10, level=8.0)
    assert statuses(after) == {"NG": 20}
    assert after[-1].alarm == "raised"
    assert [event.kind for event in plant.events("alarm_cleared")] == []


def test_an_alarm_alone_refuses_whatever_windows_are_chosen(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    make_faulty(plant)
    # healthy windows alone
    assert plant.command(SENSOR, "--to", "2023-11-14T22:14:20") == 2
    said = capsys.readouterr().err
    assert "an alarm stands" in said
    assert "are NG" not in said


def test_ng_windows_refuse_without_an_alarm(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.run(200)  # as many as it takes for hardly a healthy window to be NG by chance
    assert plant.command(SENSOR, "--windows", "400") == 0
    plant.run(1, level=8.0)  # two windows: no alarm yet
    plant.run(20)
    assert plant.command(SENSOR, "--windows", "60") == 2
    found = re.search(r"(\d+) of the windows are NG", capsys.readouterr().err)
    assert found is not None
    assert int(found[1]) >= 2  # and a few of the healthy ones, by chance
    assert plant.command(SENSOR, "--windows", "30") == 0  # after them


def test_a_person_s_word_goes_before_the_verdict(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    make_healthy(plant)
    plant.run(0.5, level=8.0)
    plant.run(20)
    labels = LabelStore(plant.path)
    row_of_ng = next(
        row.row_id for row in plant.views().rows(SENSOR) if row.verdict.status is Status.NG
    )
    labels.add(LabelRequest(Label("false alarm", author="Ann"), 1, row_of_ng))
    assert plant.command(SENSOR, "--windows", "50") == 0
    labels.add(LabelRequest(Label("NG confirmed", author="Ann"), 2, row_of_ng + 1))
    assert plant.command(SENSOR, "--windows", "50") == 2
    assert "1 of the windows is NG" in capsys.readouterr().err
    labels.close()


def test_even_so_takes_an_author_and_a_reason(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    make_faulty(plant)
    assert plant.command(SENSOR, "--even-so", "bearing replaced") == 2
    assert "--even-so needs --author" in capsys.readouterr().err
    assert plant.command(SENSOR, "--even-so", "bearing replaced", "--author", "Ben") == 0
    (_, event) = plant.events("commissioned")
    assert event.text.startswith("by Ben: from 100 windows of one run, 2023-11-14 22:1")
    assert "Even so, as 'bearing replaced': an alarm stands since" in event.text
    assert "100 of the windows are NG" in event.text
    assert statuses(plant.run(10, level=8.0)) == {"OK": 20}


def test_the_service_s_own_commissioning_has_the_same_guard(plant: Plant) -> None:
    """--next is fulfilled by the service, when nobody sits at a terminal any more."""
    make_healthy(plant)
    assert plant.command(SENSOR, "--next", "--windows", "40", "--author", "Ann") == 0
    plant.run(15)
    plant.run(15, level=8.0)
    plant.tick()
    (refused,) = plant.events("commissioning_refused")
    assert re.search(r"1\d of the windows are NG", refused.text)  # and 29 or 30 are OK
    assert "an alarm stands" in refused.text
    assert len(plant.events("commissioned")) == 1
    assert plant.command(SENSOR, "--next") == 2  # the alarm stands already
    assert plant.store().open_requests() == []


# -- the record -----------------------------------------------------------------------------------


def test_a_commissioning_is_on_record_and_in_the_log(
    plant: Plant, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.run(60)
    with caplog.at_level("INFO"):
        assert plant.command(SENSOR, "--windows", "100", "--author", "Ann") == 0
        plant.tick()
    (event,) = plant.events("commissioned")
    own = plant.store().active()[SENSOR]
    assert event.text.startswith(
        "by Ann: from 100 windows of one run, 2023-11-14 22:13:30 UTC to 2023-11-14 22:14:20 UTC."
    )
    assert f"Limits: novelty {own.baseline.threshold:.3g}, idle below" in event.text
    assert event.text in capsys.readouterr().out
    assert f"{SENSOR} commissioned: by Ann: from 100 windows" in caplog.text


def test_whoever_asks_is_named_even_if_they_do_not_say(plant: Plant) -> None:
    plant.run(60)
    assert plant.command(SENSOR) == 0
    assert not plant.events("commissioned")[0].text.startswith("by nobody")


def test_few_windows_or_one_run_are_said(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.run(30)
    assert plant.command(SENSOR, "--windows", "49") == 0
    said = capsys.readouterr().out
    assert "Warning: 49 windows are few" in said
    assert "Warning: all windows are of one run" in said
    plant.command(SENSOR, "--undo")
    plant.pause(600)
    plant.run(30)
    assert plant.command(SENSOR, "--windows", "110") == 0
    assert "Warning" not in capsys.readouterr().out
    assert "from 110 windows of 2 runs" in plant.events("commissioned")[-1].text


@pytest.mark.parametrize(
    ("starts_s", "runs"),
    [
        ([0.0], 1),
        ([0.3 * n for n in range(40)], 1),
        (
            [0.3 * n for n in range(20)] + [61 + 0.3 * n for n in range(20)],
            1,
        ),  # a minute's pause
        ([0.3 * n for n in range(20)] + [67 + 0.3 * n for n in range(20)], 2),
        ([611.7 * n for n in range(9)], 1),  # snapshots: the pause is their way
        ([611.7 * n for n in range(9)] + [20_000 + 611.7 * n for n in range(9)], 2),
    ],
)
def test_a_run_ends_with_a_pause(starts_s: list[float], runs: int) -> None:
    spans = tuple((round(one * S), round((one + 0.25) * S)) for one in starts_s)
    assert n_runs(spans) == runs


# -- undo -----------------------------------------------------------------------------------------


def test_undo_says_what_holds_and_marks_what_it_judged(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault, learned in spite of the alarm, stayed the last OK that reports compare with."""
    make_faulty(plant)
    plant.command(SENSOR, "--even-so", "a mistake", "--author", "Ben")
    judged = plant.run(10, level=8.0)
    assert statuses(judged) == {"OK": 20}
    views, healthy_end_ns = plant.views(), START_NS + 70 * S
    newest = max(row.row_id for row in views.rows(SENSOR))
    assert views.last_ok(SENSOR, judged[-1].end_ns + 1, "") == newest
    capsys.readouterr()
    assert plant.command(SENSOR, "--undo", "--author", "Ann") == 0
    said = capsys.readouterr().out
    assert re.search(
        r"by Ann: the commissioning of .* is undone; the commissioning of", said
    )
    assert "NG from now on: novelty above" in said
    last_ok = views.last_ok(SENSOR, judged[-1].end_ns + 1, "")
    assert last_ok is not None
    assert views.row(last_ok).verdict.end_ns == healthy_end_ns  # type: ignore[union-attr]
    assert [row.is_undone for row in views.back_from(SENSOR, None, 21)] == [True] * 20 + [
        False
    ]
    assert statuses(plant.run(10, level=8.0)) == {"NG": 20}
    (undone,) = plant.events("commissioning_undone")
    assert undone.text.startswith("by Ann: the commissioning of ")
    assert undone.text in said
    assert plant.command(SENSOR, "--undo") == 0
    assert "no commissioning holds now. The sensor is LEARNING" in capsys.readouterr().out
    assert plant.command(SENSOR, "--undo") == 1


def test_what_an_undone_mistake_called_ok_is_not_learned_either(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    make_faulty(plant)
    plant.command(SENSOR, "--even-so", "a mistake", "--author", "Ben")
    plant.run(60, level=8.0)
    plant.command(SENSOR, "--undo", "--author", "Ann")
    assert plant.command(SENSOR, "--windows", "100") == 2
    assert (
        "were judged by a commissioning that took in NG windows" in capsys.readouterr().err
    )


def test_an_honest_commissioning_undone_can_be_made_again(plant: Plant) -> None:
    make_healthy(plant)
    assert plant.command(SENSOR, "--undo") == 0
    assert plant.command(SENSOR, "--windows", "120") == 0


def test_undo_withdraws_an_open_request_first(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    make_healthy(plant)
    plant.command(SENSOR, "--next")
    assert plant.command(SENSOR, "--undo", "--author", "Ann") == 0
    assert "an open request is withdrawn; the commissioning of" in capsys.readouterr().out
    assert plant.store().open_requests() == []
    assert mostly_ok(plant.run(60))


# -- which sensors, which windows -----------------------------------------------------------------


def test_an_unknown_sensor_is_not_one_with_too_few_windows(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.run(3)
    assert plant.command("pump-1/baering") == 2
    assert capsys.readouterr().err == (
        "The journal knows no sensor 'pump-1/baering'; it knows pump-1/bearing.\n"
    )
    assert plant.command("fan-*/*") == 2
    assert "knows no sensor 'fan-*/*'" in capsys.readouterr().err
    assert plant.command(SENSOR) == 2
    assert "100 windows are wanted, and the journal has 6 that can be used" in (
        capsys.readouterr().err
    )


def test_a_pattern_takes_many_and_says_each(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    for sensor in ("pump-1/bearing", "pump-2/gear", "fan-1/bearing"):
        plant.run(5, sensor=sensor)
    plant.run(2, sensor="pump-3/new")
    assert plant.command("pump-*/*", "--windows", "10") == 2
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "pump-1/bearing",
        "pump-2/gear",
        "2 of 3 sensors done, 1 not.",
    ]
    assert said.err.startswith("pump-3/new: 10 windows are wanted, and the journal has 4")
    assert sorted(plant.store().active()) == ["pump-1/bearing", "pump-2/gear"]
    assert plant.command("pump-*/*", "--undo") == 1
    assert plant.store().active() == {}


def test_200_points_in_one_command(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    sensors = [f"m{n:03}/p" for n in range(200)]
    for sensor in sensors:
        plant.run(5, sensor=sensor)
    begin_s = time.monotonic()
    assert plant.command("*", "--windows", "10") == 0
    assert time.monotonic() - begin_s < 20
    assert capsys.readouterr().out.splitlines()[-1] == "200 of 200 sensors done, 0 not."
    assert sorted(plant.store().active()) == sensors


def test_a_span_of_time_is_covered_evenly(plant: Plant) -> None:
    plant.run(30)
    plant.pause(600)
    plant.run(30)
    plant.run(30, level=8.0)
    span = ("--from", "2023-11-14T22:13:25", "--to", "2023-11-14T22:24:20")
    assert plant.command(SENSOR, *span, "--windows", "37") == 0
    text = plant.events("commissioned")[0].text
    assert (
        "from 37 windows of 2 runs, 2023-11-14 22:13:25 UTC to 2023-11-14 22:24:20" in text
    )
    assert mostly_ok(plant.run(10))


@pytest.mark.parametrize(
    ("n_all", "n", "wanted"),
    [(3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4]), (11, 3, [0, 5, 10]), (7, 1, [0])],
)
def test_spread(n_all: int, n: int, wanted: list[int]) -> None:
    assert spread(range(n_all), n) == wanted


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--windows", "0"), "--windows 0: must be from 1 to 5000."),
        (("--next", "--from", "2023-11-14"), "use one"),
        (
            ("--from", "2023-11-15", "--to", "2023-11-14"),
            "the end must come after the beginning.",
        ),
        (("--author", "A" * 81), "--author has 81 characters: at most 80 are kept."),
        (("--false-alarm-rate", "2"), "false_alarm_rate = 2: must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(
    plant: Plant, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.run(60)
    assert plant.command(SENSOR, *words) == 2
    assert sentence in capsys.readouterr().err


# -- geometry -------------------------------------------------------------------------------------


CHANGES: list[tuple[dict[str, Any], float, str]] = [
    ({"window_s": 0.25}, 1.0, "window 0.5 s, now 0.25 s"),
    ({"window_s": 1.0}, 1.0, "window 0.5 s, now 1 s"),
    ({"unit": "g"}, 1.0, "m/s² a number 1, now 9.80665"),
    ({"scale": 0.01}, 1.0, "m/s² a number 1, now 0.01"),
    ({"scale": [-0.3]}, 1.0, "m/s² a number 1, now -0.3"),
    ({"sample_rate_hz": 2100.0}, 1.0, "sample rate 2000 Hz, now 2100 Hz"),
    ({"channels": ["z"]}, 1.0, "channels a, now z"),
]


@pytest.mark.parametrize(("rule", "level", "what"), CHANGES)
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_another_geometry_sets_the_baseline_aside(
    tmp_path: Path, rule: dict[str, Any], level: float, what: str, how: str
) -> None:
    """Healthy noise, window_s changed: every window NG and an alarm, for the bands coincide."""
    plant = Plant(tmp_path)
    make_healthy(plant)
    (plant.reload if how == "reload" else plant.start)(**rule)
    judged = plant.run(20, level)
    assert {verdict.status for verdict in judged} <= {Status.LEARNING, Status.BAD_DATA}
    learning = [verdict for verdict in judged if verdict.status is Status.LEARNING]
    assert {verdict.reason for verdict in learning} == {"geometry_changed"}
    assert {verdict.alarm for verdict in judged} == {"clear"}
    (event,) = plant.events("geometry_changed")
    assert event.text.startswith(what)
    assert "is set aside; commission the sensor again" in event.text
    plant.start(**rule)
    plant.run(2, level)
    assert len(plant.events("geometry_changed")) == 1  # not again after a restart
    plant.start()
    plant.pause(1)
    assert mostly_ok(plant.run(10)[1:])  # the first window has the pause
    assert "holds again" in plant.events("geometry_changed")[-1].text


def test_the_window_of_the_issue(tmp_path: Path) -> None:
    """At 2 kHz from 1.0 to 0.5 s: 200 of 200 NG and an alarm; the other way round it goes blind."""
    plant = Plant(tmp_path, window_s=1.0)
    plant.run(120)
    assert plant.command(SENSOR) == 0
    plant.reload(window_s=0.5)
    assert statuses(plant.run(100)) == {"LEARNING": 200}


def test_windows_of_another_geometry_do_not_commission(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.run(60)
    plant.reload(scale=3.0)  # the same grid, the same number of samples
    plant.run(10)
    assert plant.command(SENSOR, "--windows", "60") == 2
    assert "60 windows are wanted, and the journal has 20" in capsys.readouterr().err
    plant.configure(scale=5.0)  # written, and the service not reloaded
    assert plant.command(SENSOR, "--windows", "15") == 2
    assert "not of the configuration's geometry" in capsys.readouterr().err


def test_a_commissioning_of_0_2_0_belongs_to_the_windows_it_judged(tmp_path: Path) -> None:
    """It knew bands and channels only. The first start pins it, also where the window changed at
    that very start.
    """
    plant = Plant(tmp_path, window_s=1.0)
    plant.run(120)
    plant.command(SENSOR)
    plant.run(5)
    forget_geometries(plant)
    plant.start(window_s=1.0)
    assert statuses(plant.run(5)) == {"OK": 5}
    forget_geometries(plant)
    plant.start(window_s=0.5)
    assert statuses(plant.run(20)) == {"LEARNING": 40}
    assert plant.events("geometry_changed")[0].text.startswith("window 1 s, now 0.5 s")


def forget_geometries(plant: Plant) -> None:
    """The journal as a program of version 2 would have left it."""
    link = plant.journal._link
    link.execute("UPDATE commissioning SET geometry = NULL, even_so = NULL, author = ''")
    link.execute("UPDATE OR IGNORE manner SET geometry_id = ''")
    link.execute(
        "UPDATE verdict_row SET commissioning_id = NULL, manner_id = (SELECT of_2.manner_id"
        " FROM manner of_2 JOIN manner now USING (kinds) WHERE of_2.geometry_id = ''"
        " AND now.manner_id = verdict_row.manner_id)"
    )
    assert 2 in MIGRATIONS


# -- open requests --------------------------------------------------------------------------------


def test_a_request_is_fulfilled_once_and_counts_new_rows_only(plant: Plant) -> None:
    plant.run(60)
    plant.command(SENSOR, "--next", "--windows", "25")
    plant.run(10)
    plant.tick()
    assert plant.events("commissioned") == []
    plant.run(5)
    plant.tick()
    plant.tick()
    (event,) = plant.events("commissioned")
    assert "from 25 windows" in event.text
    assert statuses(plant.run(5))["OK"] >= 8  # few windows commissioned it


def test_many_requests_do_not_hold_the_pipeline_up(plant: Plant) -> None:
    """A few at each look of the service, until all are done."""
    for n in range(12):
        plant.run(1, sensor=f"m{n}/p")
    plant.command("*", "--next", "--windows", "10")
    for n in range(12):
        plant.run(5, sensor=f"m{n}/p")
    done = [len(plant.store().active())]
    while done[-1] < 12:
        plant.tick()
        done.append(len(plant.store().active()))
        assert 0 < done[-1] - done[-2] <= 5
