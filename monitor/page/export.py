"""A span of a point as a file: verdicts, trends, kept windows.

A file is written whole to the disk before its first byte is sent: what cannot
be had is refused in a sentence, and a slow browser holds no moment of the
journal.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from monitor.export_files import write_csv, write_npz, write_wav_zip
from monitor.journal.columns import Selection, Span
from monitor.journal.trend_columns import TIERS, TrendSelection
from monitor.page.answers import NOT_STORED, answer
from monitor.page.trend import milliseconds
from monitor.page.views import NS_PER_MS, Tree
from monitor.records.renamed import Formerly

MAX_ROWS = 200_000  # of a table
MAX_NPZ_ROWS = 20_000  # until it is compressed, each takes 12 kB
MAX_KEPT_BYTES = 256 << 20
MAX_AT_ONCE = 3  # files that are written or sent
MAX_S = 3600.0  # until a file must have been taken
PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of file. rows : what it holds, in words"""

    ending: str
    media_type: str
    rows: str


FORMS = {
    "verdicts": Form("csv", "text/csv; charset=utf-8", "windows"),
    "trends": Form("csv", "text/csv; charset=utf-8", "rows of trends"),
    "npz": Form("npz", "application/zip", "kept windows"),
    "wav": Form("zip", "application/zip", "kept windows"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """tier : a name of TIERS"""

    point: str
    from_ns: int
    to_ns: int
    tier: str
    formerly: Formerly

    @property
    def n_tier_rows(self) -> int:
        """At most."""
        return (self.to_ns - self.from_ns) // (TIERS[self.tier] * 10**9) + 2

    def windows(self, path: Path) -> Selection:
        former = self.formerly.get(self.point, ())
        return Selection(path, Span(self.point, self.from_ns, self.to_ns, former))

    def trends(self, path: Path) -> TrendSelection:
        """With the row that reaches into the span, as the page shows it."""
        tier_s = TIERS[self.tier]
        from_ns = max(0, self.from_ns - tier_s * 10**9 + 1)
        return TrendSelection(path, self.point, tier_s, from_ns, self.to_ns, self.formerly)


class ExportPage:
    """formerly : names that points had before
    may_read : raises HTTPException where the request has no session
    """

    def __init__(
        self, path: Path, formerly: Formerly, may_read: Callable[[Request], object]
    ) -> None:
        self._path, self._formerly, self._may_read = path, formerly, may_read
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)

    def routes(self) -> list[Route]:
        return [Route("/api/export", self.file), Route("/api/export/sizes", self.sizes)]

    def sizes(self, request: Request) -> JSONResponse:
        """sensor, from_ms, to_ms, tier: what each form would hold, and why it cannot be had."""
        self._may_read(request)
        asked = _asked(request, self._formerly)
        with closing(asked.windows(self._path)) as selection:
            forms = {name: _size(name, selection) for name in ("verdicts", "npz", "wav")}
        return answer(forms | {"trends": self._trend_size(asked)})

    def _trend_size(self, asked: Asked) -> Tree:
        rows = FORMS["trends"].rows
        if asked.n_tier_rows > MAX_ROWS:
            return {"n": None, "rows": rows, "refused": _too_many(rows, MAX_ROWS)}
        with closing(asked.trends(self._path)) as selection:
            n = selection.n_rows
        return {"n": n, "rows": rows, "refused": "" if n else _nothing(rows)}

    def file(self, request: Request) -> Response:
        """The same, with as: a name of FORMS."""
        self._may_read(request)
        form, asked = request.query_params.get("as", ""), _asked(request, self._formerly)
        if form not in FORMS:
            raise HTTPException(400, f"as = {form[:40]!r}: must be {_one_of(FORMS)}.")
        if not self._places.acquire(blocking=False):
            text = f"{MAX_AT_ONCE} files are being taken already: try again in a minute."
            raise HTTPException(503, text)
        try:
            file = self._written(form, asked)
        except BaseException:
            self._places.release()
            raise
        return _Taken(file, FORMS[form], _name(form, asked), self._places.release)

    def _written(self, form: str, asked: Asked) -> IO[bytes]:
        """From its beginning. Raises HTTPException where it cannot be had."""
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            try:
                self._write(form, asked, file)
            except OSError as error:
                text = f"The page's host cannot write the file: {error.strerror}."
                raise HTTPException(507, text) from error
            stack.pop_all()
        return file

    def _write(self, form: str, asked: Asked, file: IO[bytes]) -> None:
        if form == "trends":
            _check(self._trend_size(asked))
            with closing(asked.trends(self._path)) as trends:
                return write_csv(file, trends.names, trends.blocks(), _untold)
        with closing(asked.windows(self._path)) as selection:
            _check(_size(form, selection))
            if form == "npz":
                return write_npz(file, selection, _untold)
            if form == "wav":
                return write_wav_zip(file, selection, _untold)
            write_csv(file, selection.layout.names, selection.verdicts(), _untold)


class _Taken(StreamingResponse):
    """Sends a file and forgets it, however the sending ends."""

    def __init__(
        self, file: IO[bytes], form: Form, name: str, done: Callable[[], None]
    ) -> None:
        self._file, self._done = file, done
        n_bytes = file.tell()
        file.seek(0)
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(n_bytes),
        }
        super().__init__(
            self._pieces(), media_type=form.media_type, headers=NOT_STORED | headers
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(MAX_S):
                await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._done()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self._file.read, PIECE_BYTES):
            yield piece


def _size(form: str, selection: Selection) -> Tree:
    """Of verdicts and kept windows. refused : "" where it can be had"""
    rows = FORMS[form].rows
    n = selection.n_windows if form == "verdicts" else selection.n_kept
    return {"n": n, "rows": rows, "refused": _refusal(form, n, selection)}


def _refusal(form: str, n: int, selection: Selection) -> str:
    if not n:
        return _nothing(FORMS[form].rows)
    most = {"verdicts": MAX_ROWS, "npz": MAX_NPZ_ROWS}.get(form)
    if most is not None and selection.n_windows > most:
        return _too_many("windows", most)
    if form != "verdicts" and selection.n_kept_bytes > MAX_KEPT_BYTES:
        return _too_many("MiB of kept windows", MAX_KEPT_BYTES >> 20)
    return ""


def _check(size: Tree) -> None:
    if size["n"] == 0:
        raise HTTPException(404, size["refused"])
    if size["refused"]:
        raise HTTPException(413, size["refused"])


def _nothing(rows: str) -> str:
    return f"There are no {rows} in this span."


def _too_many(rows: str, most: int) -> str:
    return (
        f"More than {most:,} {rows}: choose a shorter span, or use camshaft export, which"
        " has no limit."
    )


def _asked(request: Request, formerly: Formerly) -> Asked:
    from_ms, to_ms = milliseconds(request, "from_ms"), milliseconds(request, "to_ms")
    if from_ms is None or to_ms is None:
        raise HTTPException(400, "from_ms and to_ms must be given.")
    if to_ms < from_ms:
        raise HTTPException(
            400, f"to_ms = {to_ms}: must not be before from_ms = {from_ms}."
        )
    tier = request.query_params.get("tier", "hours")
    if tier not in TIERS:
        raise HTTPException(400, f"tier = {tier[:40]!r}: must be {_one_of(TIERS)}.")
    point = request.query_params.get("sensor", "")
    return Asked(point, from_ms * NS_PER_MS, to_ms * NS_PER_MS, tier, formerly)


def _one_of(names: Iterable[str]) -> str:
    return ", ".join(names)


def _name(form: str, asked: Asked) -> str:
    """Of characters that every file system takes."""
    point = re.sub("[^A-Za-z0-9.-]+", "_", asked.point)[:80]
    what = asked.tier if form == "trends" else form
    return f"{point}-{what}.{FORMS[form].ending}"


def _untold(_n: int) -> None:
    """Nobody waits for a progress line here."""
