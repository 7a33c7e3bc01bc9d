"""/api/v1: as its document says, whole however it is paged, and closed to whoever has no key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator

from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.page.api import DOCUMENT
from monitor.records.batch import Batch
from monitor.records.labels import Label, LabelRequest
from monitor.settings import ConfigError
from monitor.times import iso
from tests.page.asking import Asking
from tests.page_stage import SECOND_NS, Served, fill, serve, verdict

START_NS = 1_764_000_000 * 10**9
TOKEN = "0123456789abcdef0123456789abcdef"
FAULTY = "mill-2/spindle"
HOUR_NS = 3_600 * SECOND_NS
FIRST_DAY_NS, LAST_DAY_NS = 20_000 * 24 * HOUR_NS, 20_060 * 24 * HOUR_NS
N_ASKED = 25  # of each operation, rightly and wrongly


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    fill(folder / "camshaft.journal", n_windows=30, start_ns=START_NS)
    store = LabelStore(folder / "camshaft.journal")
    store.add(
        LabelRequest(Label("NG confirmed", "bearing", "Ann", "so"), START_NS, sensor=FAULTY)
    )
    store.close()
    (folder / "token").write_text(TOKEN + "\n")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Asking:
    return Asking(folder, page_settings(folder), "correct horse")


def page_settings(folder: Path) -> str:
    return f"page: {{tokens: [{{name: scada, token: {{file: {folder / 'token'}}}}}]}}"


@pytest.fixture(scope="module")
def get(page: Asking) -> Callable[[str], Any]:
    def get(path: str) -> Any:
        answer = page.ask(
            "GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert answer.status == 200, answer.body
        return answer.tree

    return get


def pages(
    get: Callable[[str], Any], path: str, name: str, key: str = "after"
) -> Iterator[Any]:
    """All that an address has, page by page."""
    after = ""
    while True:
        tree = get(path + after)
        yield from tree[name]
        if tree["next"] is None or not tree[name]:
            return
        after = f"&{key}={tree['next']}"


# -- the document ---------------------------------------------------------------------------------


AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
ASKED = [
    (path, mode)
    for path, operation in json.loads(DOCUMENT.read_text("utf-8"))["paths"].items()
    for mode in ("positive", "negative")
    # What has no parameters cannot be asked wrongly.
    if mode == "positive" or "parameters" in operation["get"]
]


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    (folder / "password").write_text("correct horse")
    both = f"{page_settings(folder)[:-1]}, password: {{file: {folder / 'password'}}}}}"
    with serve(folder, both) as served:
        yield served


@pytest.fixture(scope="module")
def schema(served: Served) -> Any:
    import schemathesis  # half a second, not for every worker

    return schemathesis.openapi.from_url(f"{served.address}/api/v1/openapi.json")


@pytest.mark.parametrize(("path", "mode"), ASKED)
def test_whatever_is_asked_the_answer_is_as_documented(
    path: str, mode: str, schema: Any
) -> None:
    """Of every check that Schemathesis has: no 500, no status, type or field but those named."""
    from schemathesis import GenerationMode

    operation = schema[path]["get"]

    @settings(
        max_examples=N_ASKED,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=GenerationMode(mode)))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=AUTHORIZED)

    ask()


def closed(tree: Any) -> Any:
    """The same schema, in which no object has other fields than those named."""
    if isinstance(tree, list):
        return [closed(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    found = {key: closed(value) for key, value in tree.items()}
    if "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.parametrize(
    ("path", "schema_name"),
    [
        ("points", "Points"),
        (f"verdicts?sensor={FAULTY}", "Verdicts"),
        ("verdicts/new", "NewVerdicts"),
        ("verdicts/{newest}", "WholeVerdict"),
        ("verdicts/{newest}/map", "Map"),
        ("verdicts/{alarm}/map", "Map"),
        (f"trend?sensor={FAULTY}", "Trend"),
        ("events", "Events"),
    ],
)
def test_every_field_is_documented(
    path: str, schema_name: str, get: Callable[[str], Any]
) -> None:
    document = json.loads(DOCUMENT.read_text("utf-8"))
    schema = closed(document) | {"$ref": f"#/components/schemas/{schema_name}"}
    tree = get(path.format(newest=newest(get), alarm=alarm(get)))
    Draft202012Validator(schema).validate(tree)


def newest(get: Callable[[str], Any]) -> int:
    points = {point["sensor"]: point for point in get("points")["points"]}
    return int(points[FAULTY]["newest"])


def alarm(get: Callable[[str], Any]) -> int:
    """The row that raised the point's alarm."""
    events = get(f"events?sensor={FAULTY}")["events"]
    (at,) = (event["at"] for event in events if event["kind"] == "alarm_raised")
    verdicts = get(f"verdicts?sensor={FAULTY}&from={at}")["verdicts"]
    return int(verdicts[0]["row"])


# -- what it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 30, 1000])
def test_pages_put_together_are_the_whole(n: int, get: Callable[[str], Any]) -> None:
    verdicts = list(pages(get, f"verdicts?sensor={FAULTY}&n={n}", "verdicts"))
    rows = [verdict["row"] for verdict in verdicts]
    assert len(rows) == len(set(rows)) == 30
    assert [one["end"] for one in verdicts] == sorted(one["end"] for one in verdicts)
    points = [one["sensor"] for one in pages(get, f"points?n={n}", "points")]
    assert points == sorted(points)
    assert len(points) == 9
    if n == 1:
        return
    stored = [one["row"] for one in pages(get, f"verdicts/new?n={n}", "verdicts")]
    assert stored == list(range(1, 9 * 30 + 1))
    events = [one["event_id"] for one in pages(get, f"events?n={n}", "events", "before")]
    assert events == sorted(events, reverse=True)
    assert len(events) == 3


@pytest.mark.parametrize("after_s", [0, 3, 29, 30, 31])
def test_spans_that_meet_are_the_whole_and_share_nothing(
    after_s: int, get: Callable[[str], Any]
) -> None:
    at = iso(START_NS + after_s * SECOND_NS)
    before = get(f"verdicts?sensor={FAULTY}&to={at}")["verdicts"]
    then = get(f"verdicts?sensor={FAULTY}&from={at}")["verdicts"]
    assert before + then == get(f"verdicts?sensor={FAULTY}")["verdicts"]
    assert all(verdict["end"] < at for verdict in before)


def test_cells_and_bias_add_up_to_the_score(get: Callable[[str], Any]) -> None:
    tree = get(f"verdicts/{newest(get)}/map")
    assert len(tree["f_edges_hz"]) == len(tree["evidence"][0]["cells"]) + 1
    for evidence in tree["evidence"]:
        total = evidence["bias"] + sum(map(sum, evidence["cells"]))
        assert total == pytest.approx(evidence["score"], abs=1e-4)


def test_of_an_alarm_the_map_has_what_its_logit_rests_on(
    get: Callable[[str], Any], folder: Path
) -> None:
    stored = JournalViews(folder / "camshaft.journal").occlusion(alarm(get))
    assert stored is not None
    told = get(f"verdicts/{alarm(get)}/map")["occlusion"]
    np.testing.assert_array_equal(np.array(told["falls"], np.float32), stored.falls)
    assert told["t_edges_s"] == list(stored.grid.t_edges_s)
    assert told["without_bands"] == [asdict(one) for one in stored.bands]
    assert get(f"verdicts/{newest(get)}/map")["occlusion"] is None


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The API over 60 days of a point, a window every six hours."""
    folder = tmp_path_factory.mktemp("years")
    windows = [
        replace(verdict(FAULTY, k, 0, k == 90), start_ns=at_ns - SECOND_NS, end_ns=at_ns)
        for k, at_ns in enumerate(range(FIRST_DAY_NS + 60, LAST_DAY_NS, 6 * HOUR_NS))
    ]
    journal = Journal(folder / "camshaft.journal")
    journal.commit(Batch(verdicts=windows))
    journal.close()
    page = Asking(folder)
    cookie = page.ask("GET", "/").cookie

    def get(path: str) -> Any:
        answer = page.ask("GET", f"/api/v1/{path}", headers={"Cookie": cookie})
        assert answer.status == 200, answer.body
        return answer.tree

    return get


@pytest.mark.parametrize(("step", "n_rows"), [("10min", 240), ("1h", 240), ("1d", 60)])
def test_a_trend_is_the_sum_of_the_windows_however_it_is_paged(
    step: str, n_rows: int, years: Callable[[str], Any]
) -> None:
    windows = list(pages(years, f"verdicts?sensor={FAULTY}", "verdicts"))
    for n in (7, 100, 1000):
        rows = list(pages(years, f"trend?sensor={FAULTY}&step={step}&n={n}", "rows"))
        assert len(rows) == n_rows
        assert [row["start"] for row in rows] == sorted({row["start"] for row in rows})
        counted = Counter(dict[str, int]())
        for row in rows:
            counted.update(row["windows"])
        assert counted == Counter(one["status"] for one in windows)
        total = sum(
            row["quantities"]["probability"]["n"] * row["quantities"]["probability"]["mean"]
            for row in rows
        )
        assert total == pytest.approx(sum(one["probability"] for one in windows))


def test_spans_of_a_trend_meet_and_the_one_ng_is_found(years: Callable[[str], Any]) -> None:
    whole = years(f"trend?sensor={FAULTY}&step=1d")["rows"]
    for middle in (whole[3]["start"], whole[40]["end"]):
        before = years(f"trend?sensor={FAULTY}&step=1d&to={middle}")["rows"]
        after = years(f"trend?sensor={FAULTY}&step=1d&from={middle}")["rows"]
        assert before + after == whole
    (bad,) = (row for row in whole if "NG" in row["windows"])
    assert years(f"verdicts/{bad['worst']}")["status"] == "NG"
    spread = bad["quantities"]["network"]
    assert spread["low"] <= spread["median"] <= spread["high"]
    assert spread["high"] > spread["threshold"]
    assert years("trend?sensor=no/one") == {"rows": [], "next": None}


def test_who_labelled_it_is_told(get: Callable[[str], Any]) -> None:
    (label,) = get(f"verdicts/{newest(get)}")["labels"]
    assert (label["word"], label["author"], label["comment"]) == (
        "NG confirmed",
        "Ann",
        "so",
    )


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("verdicts", 400, "sensor is missing: say machine/point."),
        ("events?sensor=", 400, "sensor is empty: say machine/point."),
        ("verdicts?sensor=a/b&n=0", 400, "n = '0': must be a whole number from 1 to 1000."),
        ("verdicts?sensor=a/b&n=9&n=9", 400, "n stands there twice."),
        ("verdicts?sensor=a/b&from=soon", 400, "from 'soon': must be a time: ISO 8601"),
        ("verdicts?sensor=a/b&after=3", 400, "after = '3': must be `next` of an answer."),
        (
            "events?limit=3",
            400,
            "'limit': there is no such parameter; known are sensor, before",
        ),
        (
            f"points?after={'x' * 201}",
            400,
            "after has 201 characters: at most 200 make sense.",
        ),
        ("trend", 400, "sensor is missing: say machine/point."),
        (
            "trend?sensor=a/b&step=week",
            400,
            "step = 'week': must be one of 10min, 1h, 1d.",
        ),
        ("verdicts/-1", 400, "row = '-1': must be a whole number from 0 to"),
        ("verdicts/4711", 404, "There is no row 4711 in the journal (any more)."),
        (
            "verdicts/270/map",
            404,
            "The map of this window was not kept, or there was none.",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    path: str, status: int, said: str, page: Asking
) -> None:
    answer = page.ask("GET", f"/api/v1/{path}", headers=AUTHORIZED)
    assert answer.status == status
    assert said in answer.tree["error"]


# -- tokens ---------------------------------------------------------------------------------------


def test_a_token_opens_the_api_and_nothing_else(page: Asking) -> None:
    assert page.ask("GET", "/api/v1/points", headers=AUTHORIZED).status == 200
    assert page.ask("GET", "/api/session", headers=AUTHORIZED).status == 401
    for path in ("/api/events", "/api/live", "/api/timeline"):
        assert page.ask("GET", path, headers=AUTHORIZED).status == 403
    for path in ("/api/labels", "/api/resend", "/api/commissionings"):
        assert page.ask("POST", path, {}, AUTHORIZED).status == 401
    assert "set-cookie" not in page.ask("GET", "/", headers=AUTHORIZED).headers


def test_a_token_of_another_page_looks_and_no_more(folder: Path) -> None:
    page = Asking(folder, page_settings(folder)[:-3] + ", reads: page}]}", "correct horse")
    for path in ("/api/v1/points", "/api/events", "/api/live?local=1", "/api/rows/1"):
        assert page.ask("GET", path, headers=AUTHORIZED).status == 200
    assert page.ask("GET", "/api/session", headers=AUTHORIZED).status == 401
    for path in ("/api/labels", "/api/resend", "/api/logout"):
        assert page.ask("POST", path, {}, AUTHORIZED).status == 401
    assert "set-cookie" not in page.ask("GET", "/", headers=AUTHORIZED).headers


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer é",
    ],
)
def test_without_a_right_token_nothing_is_told(sent: str | None, page: Asking) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    answer = page.ask("GET", "/api/v1/points", headers=headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in str(answer.body)


def test_a_browser_that_is_logged_in_may_read_it_too(page: Asking) -> None:
    cookie = page.ask("POST", "/api/login", {"password": "correct horse"}).cookie
    assert page.ask("GET", "/api/v1/points", headers={"Cookie": cookie}).status == 200


def test_a_token_replaced_on_disk_counts_at_once(page: Asking, folder: Path) -> None:
    other = TOKEN[::-1]
    try:
        (folder / "token").write_text(other)
        assert page.ask("GET", "/api/v1/points", headers=AUTHORIZED).status == 401
        new = {"Authorization": f"Bearer {other}"}
        assert page.ask("GET", "/api/v1/points", headers=new).status == 200
        (folder / "token").unlink()
        assert page.ask("GET", "/api/v1/points", headers=new).status == 401
    finally:
        (folder / "token").write_text(TOKEN)


def test_a_short_token_is_refused_at_the_start(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    with pytest.raises(
        ConfigError, match=r"page\.tokens\[scada\]\.token must be"
    ) as refused:
        Asking(tmp_path, page_settings(tmp_path))
    assert "hunter2" not in str(refused.value)
