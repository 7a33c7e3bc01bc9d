"""InfluxDB away, hanging, resetting, and every answer it has for rows it does not take."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.faults.campaign import Done, scenario
from tests.faults.stage import Stage
from tests.servers.influx_standin import Fault, InfluxStandIn
from tests.servers.service import influx_part

REFUSED_SENSOR = "m02"


@scenario("InfluxDB down", "nothing lost", quick=True)
def down(stage: Stage) -> Done:
    """The journal goes on and catches up; the back-off reaches several times the client's own
    retries.
    """
    service = stage.start()
    port = urlsplit(stage.standin.url).port or 0
    stage.standin.close()
    away_s = 2.0 if stage.quick else 45.0
    stage.play(seconds=away_s)
    service.wait(
        lambda: len(service.rows()) == stage.recording.n_windows,
        why="verdicts do not wait for InfluxDB",
    )
    assert service.reader().books().rows(["influx"])["verdict"][0] == 0
    stage.standin = stage.open_database(port)
    return Done(f"connection refused for {away_s:.0f} s")


@scenario("InfluxDB hangs", "nothing lost")
def hangs(stage: Stage) -> Done:
    stage.standin.faults.extend([Fault("hang")] * 3)
    stage.start(influx=influx_part(stage.standin.url, stage.folder, timeout_s=1.0))
    stage.play()
    return Done("3 requests without an answer (timeout 1 s)")


@scenario("InfluxDB resets, and loses its answer", "nothing lost")
def resets(stage: Stage) -> Done:
    """A row whose answer was lost is written again, over itself."""
    n = 3
    stage.standin.faults.extend([Fault("reset"), Fault("lose_answer")] * n)
    stage.start()
    stage.play()
    return Done(f"{n} resets before, {n} after the rows were stored")


@scenario("InfluxDB answers 401, 403, 404", "nothing lost")
def forbidden(stage: Stage) -> Done:
    """Somebody has to mend it; meanwhile rows wait and the log says what to look at."""
    return _answers(stage, [401, 403, 404])


@scenario("InfluxDB answers 429, 500, 503", "nothing lost")
def busy(stage: Stage) -> Done:
    return _answers(stage, [429, 500, 503])


@scenario("InfluxDB answers 413, 422 to whole requests", "nothing lost")
def too_large(stage: Stage) -> Done:
    """Halved until it is taken."""
    return _answers(stage, [413, 422, 413, 422])


def _answers(stage: Stage, statuses: list[int]) -> Done:
    headers = {"Retry-After": "2"}
    stage.standin.faults.extend(
        Fault("answer", status, headers if status == 429 else {}) for status in statuses
    )
    service = stage.start()
    stage.play()
    service.wait(lambda: not stage.standin.faults, 60.0, "every prepared answer was given")
    return Done(" ".join(map(str, statuses)))


class Picky(InfluxStandIn):
    """Refuses any request that holds a verdict of one sensor, as InfluxDB refuses a field of the
    wrong type.
    """

    def write(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        if f"vibration_verdict,machine={REFUSED_SENSOR}".encode() in body:
            said = {"code": "invalid", "message": f"rows of {REFUSED_SENSOR} are refused"}
            return 400, json.dumps(said).encode()
        return super().write(handler, body)


@scenario("InfluxDB answers 400 to some rows", "explained", quick=True, standin=Picky)
def refuses_some(stage: Stage) -> Done:
    """The refused rows are parked with the server's reason; all others get through, and the journal
    has them all.
    """
    service = stage.start()
    stage.play()
    service.wait(lambda: len(service.rows()) == stage.recording.n_windows)
    service.wait_delivered()
    n_refused = sum(v.machine == REFUSED_SENSOR for v in service.rows().values())
    said = service.log().count("InfluxDB rejected a row")
    assert 1 <= said <= 2, f"the log says so {said} times"
    (series,) = stage.database.query("SELECT count(novelty) FROM vibration_verdict")
    assert series.column("count") == [stage.recording.n_windows - n_refused]
    return Done(f"400 to every request with a verdict of {REFUSED_SENSOR}", n_rejected=n_refused)
