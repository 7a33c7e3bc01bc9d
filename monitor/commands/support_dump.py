"""`camshaft support-dump`: what a bug report needs, in one file, without secrets."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from monitor.commands.arguments import add_config, check_output_file
from monitor.commands.status import summary
from monitor.config import Config
from monitor.config_file import load_config
from monitor.config_pairs import doubts
from monitor.exit_codes import EXIT_OK
from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews
from monitor.redacted import Secrets, redacted
from monitor.settings import ConfigError
from monitor.times import iso

EXAMPLES = (
    "camshaft support-dump support.tar.gz",
    "camshaft support-dump -c /etc/camshaft/camshaft.yaml support.tar.gz",
)
EXIT_CODES = {
    0: "written; what could not be read is named in it",
    2: "refused: the file cannot be written",
}

N_EVENTS, N_HEALTH, N_PAYLOADS = 500, 60, 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "out", type=Path, metavar="FILE", help="a new .tar.gz, for its owner alone"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 written; 2 refused."""
    check_output_file(arguments.out, "FILE")
    parts, secrets = collect(arguments.config)
    _write(arguments.out, secrets.scrub(parts))
    size_kb = arguments.out.stat().st_size / 1000
    print(
        f"{arguments.out}: {len(parts)} parts, {size_kb:.0f} kB, without secrets. It holds names of"
        " machines, topics, people and what they wrote: look through it before you send it."
    )
    return EXIT_OK


def collect(path: Path) -> tuple[dict[str, Any], Secrets]:
    """Each part by its name, as plain values; what cannot be read is a sentence."""
    parts: dict[str, Any] = {"versions": versions()}
    try:
        config = load_config(path)
    except ConfigError as error:
        # The file itself may hold what should not be in it: that is what is wrong with it.
        return parts | {"configuration": str(error)}, Secrets(None)
    parts["configuration"] = redacted(config)
    parts["doubts"] = list(doubts(config))
    for name, part in JOURNAL_PARTS.items():
        parts[name] = _part(config, part)
    return parts, Secrets(config)


Part = Callable[[Config, JournalViews], Any]


def _part(config: Config, part: Part) -> Any:
    try:
        with closing(JournalViews(config.journal.path)) as views:
            return part(config, views)
    except JournalError as error:
        return str(error)


def _status(config: Config, views: JournalViews) -> Any:
    return summary(views, [one.name for one in config.influx], time.time_ns())


def _events(_config: Config, views: JournalViews) -> Any:
    return [
        {
            "at": iso(event.at_ns),
            "sensor": event.sensor,
            "kind": event.kind,
            "text": event.text,
            "model_id": event.model_id,
        }
        for event in views.events_back(None, N_EVENTS)
    ]


def _payloads(_config: Config, views: JournalViews) -> Any:
    """Their first 64 bytes, in hexadecimal."""
    found = views.bad_payloads(N_PAYLOADS)
    return [
        bad | {"received": iso(bad["received_ns"]), "head": bad["head"].hex()}
        for bad in found
    ]


def _health(_config: Config, views: JournalViews) -> Any:
    return [{"at": iso(at_ns), **fields} for at_ns, fields in views.health_back(N_HEALTH)]


def _journal(config: Config, _views: JournalViews) -> Any:
    path = config.journal.path
    files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
    disk = os.statvfs(path)
    return {
        "bytes": {file.name: file.stat().st_size for file in files if file.exists()},
        "free_bytes": disk.f_bavail * disk.f_frsize,
    }


JOURNAL_PARTS: dict[str, Part] = {
    "status": _status,
    "events": _events,
    "bad_payloads": _payloads,
    "health": _health,
    "journal": _journal,
}


def versions() -> dict[str, Any]:
    return {
        "at": iso(time.time_ns()),
        "camshaft": version("camshaft"),
        "python": sys.version,
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(_packages()),
    }


def _packages() -> Iterator[tuple[str, str]]:
    """Those that Camshaft asks for, where they are there."""
    for requirement in requires("camshaft") or []:
        name = requirement.partition(";")[0].strip()
        for end in "<>=!~[ ":
            name = name.partition(end)[0]
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _write(out: Path, parts: dict[str, Any]) -> None:
    """For its owner alone. Raises ConfigError."""
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz") as tar,
        ):
            for name, part in parts.items():
                text = json.dumps(part, indent=1, ensure_ascii=False).encode()
                member = tarfile.TarInfo(f"camshaft-support/{name}.json")
                member.size, member.mtime, member.mode = len(text), int(time.time()), 0o600
                tar.addfile(member, io.BytesIO(text))
    except OSError as error:
        raise ConfigError(
            f"FILE = '{out}': cannot be written: {error.strerror}."
        ) from error
