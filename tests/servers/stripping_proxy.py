"""A reverse proxy that has a page below a path of its own, as nginx does with
`location /camshaft/ { proxy_pass http://127.0.0.1:8477/; }`.
"""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "host"}


class StrippingProxy:
    """Use it as a context manager.

    strays : paths asked for outside the prefix; they get 404. A browser's own
        wish for /favicon.ico is none.
    """

    def __init__(self, target_port: int, prefix: str) -> None:
        self.strays: list[str] = []
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), _handler(self, target_port, prefix)
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(
    proxy: StrippingProxy, target_port: int, prefix: str
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            if not self.path.startswith(prefix + "/"):
                if self.path != "/favicon.ico":
                    proxy.strays.append(self.path)
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            link = http.client.HTTPConnection("127.0.0.1", target_port, timeout=30)
            try:
                headers = {
                    k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP
                }
                headers["Host"] = self.headers["Host"]
                link.request(
                    self.command, self.path.removeprefix(prefix), body or None, headers
                )
                self._answer(link.getresponse())
            except OSError:
                pass  # the browser left, or the page did
            finally:
                link.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while piece := answer.read1(65_536):  # the live feed comes piece by piece
                self.wfile.write(piece)

        do_GET = do_POST = _forward

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
