"""`camshaft page`: the operators' view in a browser. A process of its own; it reads the journal,
and writes what people say and order there, nothing else.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from monitor.commands.arguments import add_config
from monitor.config import Config
from monitor.config_file import load_config
from monitor.config_page import PageSettings
from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.log_lines import set_up
from monitor.page.address import is_loopback, listen
from monitor.page.users import MIN_PASSWORD
from monitor.settings import ConfigError

NICENESS = 5  # where the processor is short, the service goes first


EXAMPLES = (
    "camshaft page",
    "camshaft page --host 127.0.0.1 --port 8480",
)
EXIT_CODES = {
    0: "stopped",
    2: "refused: configuration, journal or address cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--host", metavar="ADDRESS", help="instead of page.host")
    parser.add_argument("--port", type=int, metavar="N", help="instead of page.port")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Exit codes: 0 stopped; 2 refused."""

    def read() -> Config:
        return _with_arguments(load_config(arguments.config), arguments)

    config = read()
    password = _password(config)
    try:
        import uvicorn

        from monitor.page.application import Page
    except ModuleNotFoundError as error:
        how = "install constraints/page.txt in place of daemon.txt, or the extra camshaft[page]"
        print(f"camshaft page needs {error.name}: {how}.", file=sys.stderr)
        return EXIT_REFUSED
    set_up(config.logging.level, config.logging.levels, config.logging.format)
    page = config.page
    listening = listen(page.host, page.port)
    application = Page(config, read, password, lambda: server.should_exit).application()
    server = uvicorn.Server(uvicorn.Config(application, **_server_settings(page)))
    name = f"[{page.host}]" if ":" in page.host else page.host
    scheme = "https" if page.tls else "http"
    print(f"Camshaft's page: {scheme}://{name}:{page.port}/", flush=True)
    with suppress(OSError):  # a sandbox may forbid it; its unit sets Nice= itself
        os.nice(NICENESS)
    # uvicorn stops on them, then raises them again
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    return EXIT_OK


def _server_settings(page: PageSettings) -> dict[str, Any]:
    return {
        "ssl_certfile": page.tls.certificate_file if page.tls else None,
        "ssl_keyfile": page.tls.key_file if page.tls else None,
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        # Who is behind the proxy: its own address tells whether it is the one we trust.
        "proxy_headers": page.proxy is None,
        "limit_concurrency": 400,
        "timeout_graceful_shutdown": 3,
    }


def _with_arguments(config: Config, arguments: argparse.Namespace) -> Config:
    changes = {
        name: value
        for name in ("host", "port")
        if (value := getattr(arguments, name)) is not None
    }
    if not 1 <= changes.get("port", 1) <= 65535:
        raise ConfigError(f"--port = {arguments.port}: must be from 1 to 65535.")
    return config.model_copy(update={"page": config.page.model_copy(update=changes)})


def _password(config: Config) -> str | None:
    """The one password for all, if there is one. Raises ConfigError where others could reach the
    page without any login.
    """
    page = config.page
    if page.has_login:
        _warn_of_plain_http(page)
    elif not is_loopback(page.host):
        raise ConfigError(
            f"page.host = {page.host!r}: others than this machine could reach the page;"
            " page.password, page.users or page.proxy must be set."
        )
    if page.password is None:
        return None
    password = page.password.read()
    if len(password) < MIN_PASSWORD:
        raise ConfigError(
            f"page.password has {len(password)} characters: at least {MIN_PASSWORD} are needed."
        )
    return password


def _warn_of_plain_http(page: PageSettings) -> None:
    if not is_loopback(page.host) and page.tls is None and not page.behind_https_proxy:
        logging.getLogger(__name__).warning(
            "page.host = %r without page.tls: password and pages travel unencrypted. Set page.tls,"
            " or page.behind_https_proxy where a proxy speaks HTTPS.",
            page.host,
        )
