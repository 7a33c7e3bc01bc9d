"""What log lines look like, on standard error: text for people, or JSON objects for programs.

Levels are of the whole program, and of parts of it by the names of their
modules.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import TextIO

TEXT = "%(asctime)sZ %(levelname)s %(message)s"


class JsonFormatter(logging.Formatter):
    """time, level, logger, thread and message; error where a line tells of one."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        tree = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            tree["error"] = self.formatException(record.exc_info)
        return json.dumps(tree)


class LineHandler(logging.StreamHandler[TextIO]):
    """Ours: what others have hung on the root logger is left as it is."""


def set_up(level: str, levels: Mapping[str, str], form: str) -> None:
    """form : text or json. May be called again: what levels no longer names follows the others."""
    formatter: logging.Formatter = JsonFormatter()
    if form == "text":
        formatter = logging.Formatter(TEXT)
        formatter.converter = time.gmtime
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(LineHandler(sys.stderr))
    for handler in root.handlers:
        if isinstance(handler, LineHandler):
            handler.setFormatter(formatter)
    root.setLevel(level)
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "monitor":
            logger.setLevel(logging.NOTSET)
    for name, own in levels.items():
        logging.getLogger(name).setLevel(own)
