"""What one journal of this machine answers: its points, their windows and events, and what people
write there. Each instance has these addresses, its own at the root, others below /at/NAME.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config import Config
from monitor.config_machines import surroundings_at
from monitor.instances import Instance
from monitor.journal.commissioning import CommissioningStore
from monitor.journal.labels import LabelStore
from monitor.journal.reader import Row
from monitor.journal.resend import refused_rows
from monitor.journal.views import JournalViews
from monitor.page import commissioning, delivery, upkeep
from monitor.page.access import Access
from monitor.page.answers import NOT_STORED, answer
from monitor.page.api import Api
from monitor.page.diagnosis import diagnosis_view
from monitor.page.export import ExportPage
from monitor.page.feed import Source
from monitor.page.guard import MAX_BODY_BYTES
from monitor.page.people import Person, Role
from monitor.page.settings import order_reload, settings_view
from monitor.page.sound import line_spectrum, wav_file, wav_to_play
from monitor.page.trend import TrendPage
from monitor.page.views import (
    baseline_view,
    database_view,
    event_view,
    refusal_view,
    row_view,
    spectrum_view,
    summary_view,
    waveform_view,
)
from monitor.promises import promises
from monitor.records.labels import LabelRequest, check_label
from monitor.records.notes import NoteError, check_note, integer
from monitor.records.renamed import names_of
from monitor.records.signal import Float32
from monitor.records.verdict import Verdict
from monitor.records.zones import Limits

T = TypeVar("T")
MAX_ROWS = 2000
MAX_EVENTS = 500
MAX_KINDS = 50
# how long new windows still show a diagnosis that somebody asked for
ASKED_NS = 600 * 10**9
REFUSED_NS = 86_400 * 10**9  # what was refused is shown for a day


class Desk:
    """Answers to requests. Plain methods run in worker threads, where the journal may be read."""

    def __init__(
        self,
        instance: Instance,
        source: Source,
        access: Access,
        read_again: Callable[[], Config],
    ) -> None:
        """read_again : the configuration as its file has it now; raises ConfigError"""
        self._config, self._read_again = instance.config, read_again
        self._instance = instance
        self._access, self._source = access, source
        formerly = self._config.page.formerly
        self._trends = TrendPage(
            instance.path, source, self._zones, formerly, self._may_read
        )
        self._exports = ExportPage(instance.path, formerly, self._may_read)

    def routes(self) -> list[Route]:
        return [
            Route("/api/timeline", self.timeline),
            Route("/api/rows/{row_id:int}", self.row),
            Route("/api/rows/{row_id:int}/waveform", self.waveform),
            Route("/api/rows/{row_id:int}/last-ok", self.last_ok),
            Route("/api/rows/{row_id:int}/spectrum", self.spectrum),
            Route("/api/rows/{row_id:int}/sound", self.sound),
            Route("/api/diagnosis", self.diagnosis),
            Route("/api/events", self.events),
            Route("/api/events/{event_id:int}/row", self.event_row),
            Route("/api/refused", self.refused),
            Route("/api/delivery", self.delivery),
            Route("/api/settings", self.settings),
            Route("/api/settings/reload", self.reload_settings, methods=["POST"]),
            Route("/api/resend", self.resend, methods=["POST"]),
            Route("/api/labels", self.add_label, methods=["POST"]),
            Route("/api/acknowledgements", self.acknowledge, methods=["POST"]),
            Route("/api/mutes", self.mute, methods=["POST"]),
            Route("/api/mutes/end", self.unmute, methods=["POST"]),
            Route("/api/repairs", self.note_repair, methods=["POST"]),
            Route("/api/diagnoses", self.ask_diagnosis, methods=["POST"]),
            Route("/api/promise", self.promise),
            Route("/api/commissionings", self.commission, methods=["POST"]),
            Route("/api/commissionings/undo", self.undo_commissioning, methods=["POST"]),
            *Api(self._access, self._source, self._config.journal.path).routes(),
            *self._trends.routes(),
            *self._exports.routes(),
        ]

    def _zones(self, sensor: str) -> Limits | None:
        surroundings = surroundings_at(self._config.machines, sensor)
        return None if surroundings is None else surroundings.limits_mm_s

    def _may_read(self, request: Request) -> Person:
        return self._access.may_read(request)

    def _may_write(self, request: Request, needed: Role = Role.OPERATOR) -> Person:
        """What the request's body says of its author is then theirs: see body_of."""
        person = self._access.may_write(request, needed)
        request.state.author = person.name
        return person

    def _needs_its_configuration(self) -> None:
        """What rests on the settings of the journal's service, which we may not have."""
        if not self._instance.is_ours:
            name = self._instance.name
            raise HTTPException(
                409,
                f"{name} is a journal of another configuration: do this on the page, or with the"
                " commands, of that one.",
            )

    # -- reading ----------------------------------------------------------------------------------

    def timeline(self, request: Request) -> Response:
        """A sensor's windows back from a row (or from the newest), oldest first."""
        self._may_read(request)
        sensor = request.query_params.get("sensor", "")
        before, n = (
            _number(request, "before_row"),
            min(_number(request, "n") or 300, MAX_ROWS),
        )
        with self._source.reading() as views:
            last = None if before is None else views.row(before)
            end_ns = None if last is None else last.verdict.end_ns
            rows = [
                row
                for name in names_of(sensor, self._config.page.formerly)
                for row in views.back_from(name, end_ns, n)
            ]
        rows = sorted(rows, key=lambda row: row.end_ns, reverse=True)[:n]
        return answer([summary_view(row) for row in reversed(rows)])

    def row(self, request: Request) -> Response:
        self._may_read(request)
        row_id = request.path_params["row_id"]
        with self._source.reading() as views:
            found = _row(views, row_id)
            has_kept, labels = views.has_kept_window(row_id), views.labels([row_id])
            context = views.context([row_id]).get(row_id, {})
            indicators = views.indicators([row_id]).get(row_id, {})
            occlusion = views.occlusion(row_id)
        channels = self._channels(found.verdict)
        return answer(
            row_view(found, has_kept, labels, context, indicators, channels, occlusion)
        )

    def _channels(self, verdict: Verdict) -> Sequence[str]:
        """Their names in the configuration, where these are as many; else their numbers."""
        n = 1 if verdict.spectrum_db is None else len(verdict.spectrum_db)
        rule = self._config.sensor(verdict.sensor)
        if rule is not None and len(rule.channels) == n:
            return rule.channels
        return [str(number) for number in range(1, n + 1)]

    def waveform(self, request: Request) -> Response:
        self._may_read(request)
        return answer(waveform_view(*self._samples(request)))

    def spectrum(self, request: Request) -> Response:
        """The line spectrum of a kept window, of the last OK window kept before it, and the
        baseline, where there are such.
        """
        self._may_read(request)
        samples, rate_hz = self._samples(request)
        with self._source.reading() as views:
            verdict = _row(views, request.path_params["row_id"]).verdict
            ok_id = views.last_ok_kept(verdict.sensor, verdict.end_ns)
            before = None if ok_id is None else views.kept_window(ok_id)
        with closing(CommissioningStore(self._config.journal.path)) as store:
            commissioned = store.active().get(verdict.sensor)
        tree = spectrum_view(*line_spectrum(samples, rate_hz))
        ok = None
        if before is not None and before[1] == rate_hz and len(before[0]) == len(samples):
            ok = spectrum_view(*line_spectrum(*before)) | {"row": ok_id}
        base = None if commissioned is None else baseline_view(commissioned)
        return answer(tree | {"last_ok": ok, "baseline": base})

    def sound(self, request: Request) -> Response:
        """A kept window as a WAV file of all channels in m/s²; with channel=0, 1, ... that one, to
        be played.
        """
        self._may_read(request)
        samples, rate_hz = self._samples(request)
        channel = _number(request, "channel")
        if channel is None:
            name = f"window-{request.path_params['row_id']}.wav"
            disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
            body = wav_file(samples, rate_hz)
            return Response(body, media_type="audio/wav", headers=NOT_STORED | disposition)
        if channel >= len(samples):
            text = f"channel = {channel}: the window has {len(samples)}, numbered from 0."
            raise HTTPException(400, text)
        body = wav_to_play(samples[channel], rate_hz)
        return Response(body, media_type="audio/wav", headers=NOT_STORED)

    def _samples(self, request: Request) -> tuple[Float32, float]:
        """A kept window and its rate."""
        with self._source.reading() as views:
            _row(views, request.path_params["row_id"])
            found = views.kept_window(request.path_params["row_id"])
        if found is None:
            raise HTTPException(404, "The raw samples of this window were not kept.")
        return found

    def last_ok(self, request: Request) -> Response:
        """The newest OK window before this one, to compare with; null where there is none."""
        self._may_read(request)
        with self._source.reading() as views:
            verdict = _row(views, request.path_params["row_id"]).verdict
            return answer(
                {"row": views.last_ok(verdict.sensor, verdict.end_ns, verdict.model_id)}
            )

    def diagnosis(self, request: Request) -> Response:
        """The newest of the alarm that stands in a window, up to it, else the newest that
        somebody asked for shortly before; null where there is none.
        """
        self._may_read(request)
        row_id = _number(request, "row")
        with self._source.reading() as views:
            verdict = _row(views, row_id or 0).verdict
            found = None
            if verdict.alarm == "raised":
                found = views.diagnosis_of_alarm(verdict.sensor, verdict.end_ns)
            found = found or views.asked_diagnosis(
                verdict.sensor, verdict.end_ns - ASKED_NS, verdict.end_ns
            )
        return answer({"diagnosis": diagnosis_view(found)})

    def events(self, request: Request) -> Response:
        """Events, newest first. kind: of these kinds alone; open=1: alarms that nobody has
        acknowledged, all of them.
        """
        self._may_read(request)
        before, n = (
            _number(request, "before"),
            min(_number(request, "n") or 100, MAX_EVENTS),
        )
        kinds = request.query_params.getlist("kind")[:MAX_KINDS]
        sensor = request.query_params.get("sensor")
        with self._source.reading() as views:
            unacknowledged = views.unacknowledged()
            if _number(request, "open"):
                found = views.events_of(unacknowledged.values(), sensor)
            else:
                found = views.events_back(before, n, sensor, kinds)
        return answer([event_view(event, unacknowledged) for event in found])

    def event_row(self, request: Request) -> Response:
        self._may_read(request)
        with self._source.reading() as views:
            event = views.event(request.path_params["event_id"])
            row_id = None if event is None else views.row_at(event.sensor, event.at_ns)
        if row_id is None:
            raise HTTPException(
                404, "The window of this event is not in the journal (any more)."
            )
        return answer({"row": row_id})

    def refused(self, request: Request) -> Response:
        """Messages that were refused within the last day, by topic and reason."""
        self._may_read(request)
        with self._source.reading() as views:
            found = views.refusals(time.time_ns() - REFUSED_NS)
        return answer({"refused": [refusal_view(one) for one in found]})

    def delivery(self, request: Request) -> Response:
        """What each database has got, has refused, and is still to be sent again."""
        self._may_read(request)
        self._needs_its_configuration()
        with self._source.reading() as views:
            books, again = views.books(), views.n_to_resend()
        refused = refused_rows(self._config.journal.path)
        names = [database.name for database in self._config.influx]
        return answer(
            {"databases": [database_view(name, books, again, refused) for name in names]}
        )

    def settings(self, request: Request) -> Response:
        """What the configuration file would change in the service."""
        self._may_read(request)
        self._needs_its_configuration()
        return answer(settings_view(self._config, self._read_again))

    # -- writing ----------------------------------------------------------------------------------

    async def add_label(self, request: Request) -> Response:
        self._may_write(request)
        values = await body_of(request)
        label = check_label(values, self._config.page.failure_modes)
        row_id = integer(values, "row_id")
        if row_id is None:
            raise NoteError("row_id is missing: a label needs its window.")
        wish = LabelRequest(label, time.time_ns(), row_id)
        await asyncio.to_thread(self._write, lambda store: store.add(wish))
        return answer({"row": row_id})

    async def acknowledge(self, request: Request) -> Response:
        self._may_write(request)
        values = await body_of(request)
        event_id, (author, comment) = integer(values, "event_id"), check_note(values)
        if event_id is None:
            raise NoteError("event_id is missing: an acknowledgement needs its alarm.")
        now_ns = time.time_ns()
        await asyncio.to_thread(
            self._write, lambda store: store.acknowledge(event_id, author, comment, now_ns)
        )
        return answer({"event_id": event_id})

    async def mute(self, request: Request) -> Response:
        """Hold a point's alarms back until a stated time."""
        until_ns = await self._written(request, upkeep.mute)
        return answer({"until_ms": until_ns // 1_000_000})

    async def unmute(self, request: Request) -> Response:
        await self._written(request, upkeep.unmute)
        return answer({})

    async def note_repair(self, request: Request) -> Response:
        """A hundred windows later an event says whether it helped."""
        await self._written(request, upkeep.note_repair)
        return answer({})

    async def ask_diagnosis(self, request: Request) -> Response:
        """The service answers with the point's next windows, in an event and under diagnosis."""
        await self._written(request, upkeep.ask_diagnosis)
        return answer({})

    async def _written(
        self, request: Request, write: Callable[[Path, Mapping[str, object], int], T]
    ) -> T:
        """What came of writing the request's values into the point's journal."""
        self._may_write(request)
        values, now_ns = await body_of(request), time.time_ns()
        return await asyncio.to_thread(write, self._config.journal.path, values, now_ns)

    async def promise(self, request: Request) -> Response:
        """What is promised of a point's alarm; "" where its rule has no budget."""
        self._may_read(request)
        if not self._instance.is_ours:
            return answer({"text": ""})
        sensor = request.query_params.get("sensor", "")
        promised = await asyncio.to_thread(promises, self._config, sensor)
        return answer({"text": promised.get(sensor, "")})

    async def commission(self, request: Request) -> Response:
        """409 where the guard, or the windows, refuse."""
        made = await self._ordered(request, commissioning.commission)
        if made.commissioned is None:
            tree = {"error": made.text, "needs_reason": made.needs_reason}
            return answer(tree, 409)
        return answer({"text": made.text})

    async def undo_commissioning(self, request: Request) -> Response:
        text = await self._ordered(request, commissioning.undo)
        return answer({"text": text})

    async def resend(self, request: Request) -> Response:
        """Say what would be sent again, or order it: the same request with preview false."""
        plan = await self._ordered(request, delivery.resend)
        return answer({"text": plan.text, "n_rows": plan.n_all})

    async def reload_settings(self, request: Request) -> Response:
        """Have the service read its configuration file anew; it does so within seconds."""
        await self._ordered(request, order_reload)
        return answer({})

    async def _ordered(
        self, request: Request, work: Callable[[Config, Mapping[str, object], int], T]
    ) -> T:
        """What came of what an administrator asks of the journal's service."""
        self._may_write(request, Role.ADMIN)
        self._needs_its_configuration()
        values, now_ns = await body_of(request), time.time_ns()
        return await asyncio.to_thread(work, self._config, values, now_ns)

    def _write(self, work: Callable[[LabelStore], object]) -> None:
        with closing(LabelStore(self._config.journal.path)) as store:
            work(store)


def _row(views: JournalViews, row_id: int) -> Row:
    found = views.row(row_id)
    if found is not None:
        return found
    if views.was_row(row_id):
        text = (
            f"Window {row_id} was thinned: the journal keeps what journal.max_bytes holds."
        )
        raise HTTPException(404, text)
    raise HTTPException(404, f"There is no window {row_id} in the journal.")


async def body_of(request: Request) -> Mapping[str, Any]:
    """The request's JSON object; Guard has bounded its length. Whoever is known by name is its
    author, whatever it says.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"A request has at most {MAX_BODY_BYTES} bytes.")
    try:
        tree = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The request is not JSON.") from error
    if not isinstance(tree, dict):
        raise HTTPException(400, "The request must be a JSON object.")
    author = getattr(request.state, "author", "")
    return {**tree, "author": author} if author else tree


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HTTPException(
            400, f"{name} = {text[:40]!r}: must be a whole number from 0 on."
        )
    return int(text)
