"""InfluxDB away, hanging, resetting, and every answer it has for rows it does not take."""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.faults.campaign import Done, scenario
from tests.faults.stage import Stage
from tests.servers.certificates import TestAuthority
from tests.servers.influx_standin import Fault, InfluxStandIn
from tests.servers.recording import T0_NS
from tests.servers.service import influx_part
from tests.servers.strict_line_protocol import parse

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
    """Refuses any request that holds a verdict of one sensor, and does not say which line it was:
    the worst case, which no InfluxDB is known for.
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
    return Done(
        f"400 to every request with a verdict of {REFUSED_SENSOR}", n_rejected=n_refused
    )


OTHER_TYPE = f"vibration_verdict,machine=old,point=tool novelty=1i {T0_NS}"


@scenario("InfluxDB has a field as another type", "explained", quick=True)
def other_type(stage: Stage) -> Done:
    """An older tool wrote integers. The field is left out, all rows arrive without it."""
    stage.standin.keep(parse(OTHER_TYPE)[0])
    assert stage.database.write(OTHER_TYPE.encode()) == (204, "")
    service = stage.start()
    stage.play()
    service.wait(lambda: len(service.rows()) == stage.recording.n_windows)
    service.wait_delivered()
    assert "field novelty of vibration_verdict" in service.log()
    own = "WHERE machine =~ /^m/"
    (series,) = stage.database.query(f"SELECT count(status) FROM vibration_verdict {own}")
    assert series.column("count")[0] >= stage.recording.n_windows
    assert not stage.database.query(f"SELECT novelty FROM vibration_verdict {own}")
    return Done("novelty, a float, exists as an integer: left out of every row")


@scenario("InfluxDB's retention is shorter than the backlog", "explained")
def retention(stage: Stage) -> Done:
    """The older half is set aside with the server's reason, without a request for each row."""
    half_ns = stage.recording.t0_ns + round(stage.recording.duration_s * 1e9) // 2 + 7
    stage.standin.oldest_ns = half_ns
    service = stage.start()
    stage.play()
    service.wait(lambda: len(service.rows()) == stage.recording.n_windows)
    service.wait_delivered()
    n_old = sum(verdict.end_ns < half_ns for verdict in service.rows().values())
    (series,) = stage.database.query("SELECT count(novelty) FROM vibration_verdict")
    assert series.column("count") == [stage.recording.n_windows - n_old]
    return Done("rows of the first half are beyond the retention", n_rejected=n_old)


FOREIGN_400 = (
    b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
    b'{"code":"invalid","message":"Please provide either orgID or org"}',
)


@scenario("a 400 that has nothing to do with the rows", "nothing lost")
def foreign_400(stage: Stage) -> Done:
    """Whatever a proxy or wrong settings refuse waits, and arrives once they are put right."""
    answers = [Fault("answer", 400, body=body) for body in FOREIGN_400 for _ in range(3)]
    stage.standin.faults.extend(answers)
    service = stage.start()
    stage.play()
    service.wait(lambda: not stage.standin.faults, 60.0, "every prepared answer was given")
    assert "influx.url must begin with https://" in service.log()
    return Done(
        f"{len(answers)} times 400, as a proxy's TLS port and an unknown org give it"
    )


@scenario("InfluxDB's certificate is of a private authority", "nothing lost")
def private_authority(stage: Stage) -> Done:
    """Without influx.tls rows wait, and the log says why; with it they arrive."""
    authority = TestAuthority(stage.folder / "authority")
    server = authority.issue("influx")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    stage.standin.close()
    stage.standin = InfluxStandIn(forward=stage.database.write, tls=context)
    service = stage.start(influx=influx_part(stage.standin.url, stage.folder))
    stage.play()
    service.wait(
        lambda: "tls.ca_file does not hold" in service.log(), why="the log says why"
    )
    assert service.stop()[0] == 0
    trusted = influx_part(
        stage.standin.url, stage.folder, tls={"ca_file": str(authority.ca_file)}
    )
    service.configure(service.config | {"influx": trusted})
    service.start()
    return Done(
        "an authority that the system does not know, until influx.tls.ca_file names it"
    )
