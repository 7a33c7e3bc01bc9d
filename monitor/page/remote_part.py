"""Another machine's page as a part of the plant: its live state, followed by a thread, and what a
browser may ask of it through us. Reading alone.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from monitor.config_page import InstanceSettings
from monitor.log_limiter import LogLimiter
from monitor.page import remote_views
from monitor.page.answers import NOT_STORED, answer
from monitor.page.merged import NO_ANSWER, Message
from monitor.page.remote import SILENT_S, RemoteError, RemotePage
from monitor.page.views import Tree

MAX_WAITING = 200  # messages that are heard and not read yet
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
LOG_PERIOD_S = 600.0
MAX_AT_ONCE = 4  # questions to one page
MAX_QUERY = 8000
NS_PER_MS = 1_000_000
# What a point's view asks. The rest, exports say, is taken on the page itself.
ASKED = re.compile(
    r"timeline|diagnosis|events|events/\d{1,19}/row|refused|promise|trend|trend/points"
    r"|rows/\d{1,19}(/(waveform|last-ok|spectrum|sound))?"
)

log = logging.getLogger(__name__)


class RemotePart:
    """A part of merged.Merged. read() and told() are called by one thread."""

    is_remote = True

    def __init__(
        self,
        settings: InstanceSettings,
        may_read: Callable[[Request], object],
        stopping: threading.Event,
    ) -> None:
        """may_read : raises HTTPException where the request has no session.
        Raises ConfigError.
        """
        self.name = settings.name
        self._page = RemotePage(settings)
        self._may_read, self._stopping = may_read, stopping
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._heard: queue.Queue[Message] = queue.Queue(MAX_WAITING)
        self._points: dict[str, Tree] = {}
        self._told: list[Tree] = []
        self._why, self._is_silent = "", True
        # When it was heard last.
        self._at_s = float("-inf")
        self._at_ms: int | None = None
        self.shown: Mapping[str, Tree] = {}
        self.refused: Sequence[Tree] = ()
        self.answer = Router(
            [
                Route("/api/{rest:path}", self.ask),
                Route("/at/{part}/api/{rest:path}", self.ask),
                Route("/{rest:path}", self.refuse, methods=["POST"]),
            ]
        )

    # -- its live state ---------------------------------------------------------------------------

    def start(self) -> None:
        threading.Thread(target=self._follow, name=f"page-{self.name}", daemon=True).start()

    def _follow(self) -> None:
        """Until the page stops. A page that says what cannot be right is asked for all anew."""
        limiter = LogLimiter(log, LOG_PERIOD_S)
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                for message in _checked(self._page.messages("api/live?local=1")):
                    self._heard.put(message)
                why = "the connection ended"
            except (RemoteError, ValueError) as error:
                why = str(error)
            self._heard.put(("lost", why))
            text = f"The page of {self.name}, {self._page.url}, does not answer: {why}."
            limiter.note(logging.WARNING, text, time.monotonic(), why)
            if time.monotonic() - began_s > LAST_RETRY_S:
                retry_s = FIRST_RETRY_S
            self._stopping.wait(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    def read(self, now_s: float) -> list[Message]:
        """What is new since the last call."""
        found: list[Message] = []
        for _ in range(self._heard.qsize()):
            name, data = self._heard.get_nowait()
            if name == "lost":
                self._why = data
                continue
            self._at_s, self._at_ms = now_s, time.time_ns() // NS_PER_MS
            found += self._take(name, data)
        is_silent = now_s - self._at_s > SILENT_S
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            found.append(self._show(self._points))
        return found

    def _take(self, name: str, data: Any) -> list[Message]:
        """Of what was checked."""
        if name == "snapshot":
            self._points, self._told, refused = data
            self._is_silent, self.shown = False, {}
            self.refused = [self._named(one) for one in refused]
            self._show(self._points)
            return [("snapshot", None)]
        if name == "fleet":
            self._points |= data
            return [self._show(data)]
        if name == "events":
            return [("events", [self._named(event) for event in data])]
        if name == "instances":
            self._told = data
        elif name == "refused":
            self.refused = [self._named(one) for one in data]
        return []

    def _show(self, changed: Mapping[str, Tree]) -> Message:
        views = {sensor: self._view(tree) for sensor, tree in changed.items()}
        self.shown = {**self.shown, **views}
        return "fleet", [{"sensor": sensor} for sensor in views]

    def _view(self, tree: Tree) -> Tree:
        """What is not heard any more is of no status that it had."""
        # Where its clock is ahead, its points are no newer than ours for that.
        end_ms = min(tree["end_ms"], self._at_ms or 0)
        also = [self._place(name) for name in tree["also"]]
        view = self._named(tree) | {"end_ms": end_ms, "also": also}
        if not self._is_silent:
            return view
        silent = {"status": NO_ANSWER, "since_ms": self._at_ms, "since_known": True}
        return view | silent | {"was": tree["status"]}

    def _named(self, tree: Tree) -> Tree:
        return tree | {"instance": self._place(tree["instance"])}

    def _place(self, instance: str) -> str:
        return f"{self.name}/{instance}" if instance else self.name

    def told(self) -> list[Tree]:
        """Its instances; itself alone while it is not heard."""
        common = {"read_only": True, "is_ours": False, "url": self._page.url}
        if self._is_silent:
            silent = {"why": self._why, "since_ms": self._at_ms, "n": len(self._points)}
            own = {"instance": self.name, "name": self.name, "trouble": "", "health": None}
            return [own | common | {"silent": silent}]
        return [
            self._named(one)
            | common
            | {"name": self._place(one["instance"]), "silent": None}
            for one in self._told
        ]

    # -- what a browser asks ----------------------------------------------------------------------

    def ask(self, request: Request) -> Response:
        """The same question to the other page."""
        self._may_read(request)
        rest, query = request.path_params["rest"], request.url.query
        if not ASKED.fullmatch(rest) or len(query) > MAX_QUERY:
            raise HTTPException(404, self._refusal)
        instance = request.path_params.get("part", "")
        if not remote_views.INSTANCE.fullmatch(instance):
            raise HTTPException(404, f"There is no instance {instance[:80]!r}.")
        place = f"at/{instance}/" if instance else ""
        return self._asked(f"{place}api/{rest}?{query}", rest.endswith("/sound"))

    def _asked(self, address: str, is_sound: bool) -> Response:
        if self._is_silent:  # waiting for it would keep others waiting
            raise HTTPException(
                504, RemoteError(self._why or "not heard yet", 504).of(self.name)
            )
        if not self._places.acquire(blocking=False):
            raise HTTPException(503, f"{self.name} is asked too much at once: try again.")
        try:
            kind, body = self._page.ask(address)
            if is_sound and kind == "audio/wav":
                return Response(body, media_type=kind, headers=NOT_STORED)
            return answer(remote_views.parsed(body))
        except RemoteError as error:
            raise HTTPException(error.status, error.of(self.name)) from error
        except ValueError as error:
            text = f"{self.name}: its answer cannot be read."
            raise HTTPException(502, text) from error
        finally:
            self._places.release()

    @property
    def _refusal(self) -> str:
        return f"{self.name} is shown here, no more: open its own page, {self._page.url}"

    def refuse(self, request: Request) -> Response:
        self._may_read(request)
        raise HTTPException(403, self._refusal)


def _checked(messages: Iterable[tuple[str, bytes]]) -> Iterator[Message]:
    """What another page says, checked for plausibility. Raises ValueError."""
    known: dict[str, Tree] | None = None
    for name, text in messages:
        data = remote_views.parsed(text)
        if name == "snapshot":
            found = remote_views.snapshot(data)
            known = dict(found[0])
            yield name, found
        elif known is None:
            raise ValueError("its stream of events does not begin with all points")
        elif name == "fleet":
            changed = remote_views.changes(data, known)
            known |= changed
            yield name, changed
        elif name == "events":
            yield name, remote_views.events(data)
        elif name == "instances":
            yield name, remote_views.told(data)
        elif name == "refused":
            yield name, remote_views.refused(data)
        else:  # that it is there
            yield "beat", None
