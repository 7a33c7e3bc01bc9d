"""Requests to the page's application without a server: from any address, with any header."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monitor.config_file import load_config
from monitor.page.application import Page
from tests.page_stage import write_config


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        return self.headers.get("set-cookie", "").partition(";")[0]


class Asking:
    """A page, and those who ask it."""

    def __init__(self, folder: Path, page: str = "", password: str | None = None) -> None:
        file = write_config(folder, page)
        read = partial(load_config, file)
        self.app = Page(read(), read, password, lambda: False).application()

    def ask(
        self,
        method: str,
        path: str,
        tree: Any = None,
        headers: Mapping[str, str] | None = None,
        client: str = "127.0.0.1",
    ) -> Answer:
        return asyncio.run(self._ask(method, path, tree, headers or {}, client))

    async def _ask(
        self, method: str, path: str, tree: Any, headers: Mapping[str, str], client: str
    ) -> Answer:
        """Until the answer has ended, or has begun where it never ends."""
        body = b"" if tree is None else json.dumps(tree).encode()
        raw = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
        if tree is not None:
            raw["Content-Type"] = "application/json"
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path.partition("?")[0],
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "client": (client, 40000),
            "headers": [(k.lower().encode(), v.encode()) for k, v in raw.items()],
        }
        sent: list[Mapping[str, Any]] = []
        ended = asyncio.Event()
        asked = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return (
                asked.pop() if asked else await asyncio.get_running_loop().create_future()
            )

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)
            if path.startswith("/api/live") or not message.get(
                "more_body", "status" in message
            ):
                ended.set()

        work = asyncio.create_task(self.app(scope, receive, send))
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=10)
        if work.done():
            work.result()
        work.cancel()
        waiting.cancel()
        await asyncio.gather(work, waiting, return_exceptions=True)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], found, content)
