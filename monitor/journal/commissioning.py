"""Commissioning as the journal keeps it: requests, the healthy windows they need, what came out,
and undoing it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monitor.journal.reader import SELECT_VERDICT, read_row
from monitor.journal.schema import connect, transaction
from monitor.records.commissioned import Baseline, Commissioned, HealthyWindows
from monitor.records.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Request:
    """A wish to commission a sensor from n_windows running windows; those after after_row, or the
    last ones if None.

    commissioning_id : None where the journal does not hold it.
    """

    commissioning_id: int | None
    sensor: str
    n_windows: int
    after_row: int | None
    false_alarm_rate: float | None


class CommissioningStore:
    """A connection of its own, so that the command line and a running service can both use it."""

    def __init__(self, path: Path) -> None:
        self._link = connect(path)

    def close(self) -> None:
        self._link.close()

    def request(
        self, sensor: str, n_windows: int, after_row: int | None, rate: float | None, at_ns: int
    ) -> Request:
        """Leave a request open, for a running service to fulfil."""
        request = Request(None, sensor, n_windows, after_row, rate)
        with transaction(self._link):
            return self._open(request, at_ns)

    def record(self, request: Request, outcome: Commissioned | str, at_ns: int) -> None:
        """A new request and what came of it, at once: no running service sees it open and fulfils
        it too.
        """
        with transaction(self._link):
            self._settle(self._open(request, at_ns), outcome, at_ns)

    def open_requests(self) -> list[Request]:
        rows = self._link.execute(
            "SELECT commissioning_id, sensor, n_windows, after_row, false_alarm_rate FROM"
            " commissioning WHERE settled_ns IS NULL AND undone_ns IS NULL ORDER BY"
            " commissioning_id"
        )
        return [Request(*row) for row in rows]

    def healthy_windows(self, request: Request) -> HealthyWindows | None:
        """The request's windows: running, judged or learning, on the newest grid. None while they
        are too few.
        """
        order = "DESC" if request.after_row is None else "ASC"
        found = self._link.execute(
            SELECT_VERDICT
            + "WHERE v.sensor = ? AND v.row_id > ? AND v.status IN ('OK', 'NG', 'LEARNING') AND"
            " m.spectrum IS NOT NULL AND m.grid_id = (SELECT n.grid_id FROM map n JOIN verdict w"
            " USING (row_id) WHERE w.sensor = v.sensor ORDER BY n.row_id DESC LIMIT 1) ORDER BY"
            f" v.row_id {order} LIMIT ?",
            (request.sensor, request.after_row or 0, request.n_windows),
        )
        verdicts = [read_row(row).verdict for row in found]
        return _healthy(verdicts) if len(verdicts) >= request.n_windows else None

    def settle(self, request: Request, outcome: Commissioned | str, at_ns: int) -> bool:
        """Close a request with what came out, or with why it failed. False where it was no longer
        open.
        """
        with transaction(self._link):
            return self._settle(request, outcome, at_ns)

    def active(self) -> dict[str, Commissioned]:
        """Each sensor's newest commissioning that was neither refused nor undone."""
        rows = self._link.execute(
            "SELECT sensor, f_edges_hz, mean_db, std_db, novelty_threshold, logit_threshold,"
            " model_id, running_limit_ms2, n_windows, settled_ns FROM commissioning WHERE"
            " settled_ns IS NOT NULL AND error IS NULL AND undone_ns IS NULL ORDER BY settled_ns,"
            " commissioning_id"
        )
        active = {}
        for (
            sensor,
            f_edges,
            mean,
            std,
            novelty_threshold,
            logit_threshold,
            model_id,
            limit,
            n,
            at_ns,
        ) in rows:
            edges = tuple(json.loads(f_edges))
            shape = (-1, len(edges) - 1)
            mean_db, std_db = (np.frombuffer(blob, "<f4").reshape(shape) for blob in (mean, std))
            baseline = Baseline(mean_db, std_db, novelty_threshold)
            active[sensor] = Commissioned(
                sensor, edges, baseline, logit_threshold, model_id, limit, n, at_ns
            )
        return active

    def undo(self, sensor: str, at_ns: int) -> bool:
        """Take back the sensor's newest commissioning; the one before it holds again. False if
        there is none.
        """
        with transaction(self._link) as link:
            found = link.execute(
                "UPDATE commissioning SET undone_ns = ? WHERE commissioning_id = (SELECT"
                " commissioning_id FROM commissioning WHERE sensor = ? AND error IS NULL AND"
                " undone_ns IS NULL ORDER BY settled_ns DESC LIMIT 1) RETURNING 1",
                (at_ns, sensor),
            ).fetchall()
        return bool(found)

    def revision(self) -> tuple[int, float, float]:
        """Changes whenever active() or open_requests() may have."""
        query = (
            "SELECT count(*), total(settled_ns IS NOT NULL), total(undone_ns IS NOT NULL) FROM"
            " commissioning"
        )
        found = self._link.execute(query).fetchone()
        return int(found[0]), float(found[1]), float(found[2])

    def _open(self, request: Request, at_ns: int) -> Request:
        found = self._link.execute(
            "INSERT INTO commissioning (sensor, at_ns, n_windows, after_row, false_alarm_rate) "
            "VALUES (?, ?, ?, ?, ?) RETURNING commissioning_id",
            (request.sensor, at_ns, request.n_windows, request.after_row, request.false_alarm_rate),
        ).fetchone()
        return replace(request, commissioning_id=found[0])

    def _settle(self, request: Request, outcome: Commissioned | str, at_ns: int) -> bool:
        if isinstance(outcome, str):
            values: tuple[object, ...] = (at_ns, outcome, *[None] * 7)
        else:
            values = (at_ns, None, *_columns(outcome))
        found = self._link.execute(
            "UPDATE commissioning SET settled_ns = ?, error = ?, f_edges_hz = ?, mean_db = ?,"
            " std_db = ?, novelty_threshold = ?, logit_threshold = ?, model_id = ?,"
            " running_limit_ms2 = ? WHERE commissioning_id = ? AND settled_ns IS NULL AND undone_ns"
            " IS NULL RETURNING 1",
            (*values, request.commissioning_id),
        ).fetchall()
        return bool(found)


def _healthy(verdicts: list[Verdict]) -> HealthyWindows:
    newest = max(verdicts, key=lambda verdict: verdict.start_ns)
    assert newest.grid is not None
    logits = [_logit(verdict) for verdict in verdicts if verdict.model_id == newest.model_id]
    return HealthyWindows(
        sensor=newest.sensor,
        f_edges_hz=newest.grid.f_edges_hz,
        spectra_db=np.stack(
            [verdict.spectrum_db for verdict in verdicts if verdict.spectrum_db is not None]
        ),
        logits=None if None in logits else np.asarray(logits, np.float64),
        rms_ms2=np.asarray([verdict.quality.get("rms_ms2", 0.0) for verdict in verdicts]),
        model_id=newest.model_id,
    )


def _logit(verdict: Verdict) -> float | None:
    network = verdict.of_kind("network")
    return None if network is None else network.score


def _columns(commissioned: Commissioned) -> tuple[object, ...]:
    baseline = commissioned.baseline
    return (
        json.dumps(commissioned.f_edges_hz),
        baseline.mean_db.astype("<f4").tobytes(),
        baseline.std_db.astype("<f4").tobytes(),
        baseline.threshold,
        commissioned.logit_threshold,
        commissioned.model_id,
        commissioned.running_limit_ms2,
    )
