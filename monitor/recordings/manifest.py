"""Recordings on disk: a small YAML manifest names a table of recordings (CSV) and says how to read
their files.

    table: recordings.csv        # path,label,machine,point,group,start and any further columns; one
                                 row a recording
    root: ${CAMSHAFT_DATASETS}/bosch-cnc
    files: {format: hdf5, key: vibration_data, sample_rate_hz: 2000, channels: [x, y, z], unit: mg}

`camshaft play` replays them, training learns from them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from pydantic import ValidationError

from monitor.config_file import read_yaml
from monitor.recordings.manifest_settings import JoinedFile, ManifestFile
from monitor.recordings.recording import Recording, RecordingError
from monitor.recordings.rows import recordings_of
from monitor.recordings.table import check_has, read_table
from monitor.refusals import sentences
from monitor.settings import ConfigError

ONE_CHANNEL = ("a",)


@dataclass(frozen=True, slots=True)
class RecordingSet:
    """understood : how each table was read"""

    path: Path
    settings: ManifestFile
    recordings: tuple[Recording, ...]
    understood: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def sample_rate_hz(self) -> float:
        """Of what read() returns."""
        return self.settings.files.rate_hz

    @property
    def channels(self) -> tuple[str, ...]:
        """Of what read() returns; "a" where each recording is another channel of its file."""
        names = {one.channels for one in self.recordings}
        return ONE_CHANNEL if len(names) > 1 else names.pop()


def load_manifest(path: Path) -> RecordingSet:
    """Read a manifest and its table, or all that it names; no signal is read.

    Raises RecordingError: unknown keys, a missing or misspelt column, a missing
    file, a path that leaves its folder, a row that stands twice; joined
    manifests of other rates or channels.
    """
    try:
        tree = read_yaml(path)
        if "manifests" in tree:
            return _join(path, JoinedFile.model_validate(tree))
        return _load(path, ManifestFile.model_validate(tree))
    except ConfigError as error:
        raise RecordingError(str(error)) from error
    except ValidationError as error:
        raise RecordingError(
            "\n".join(f"{path.name}: {line}" for line in sentences(error).splitlines())
        ) from error


def _load(path: Path, settings: ManifestFile) -> RecordingSet:
    table = path.parent / _expand(settings.table, path)
    root = (
        table.parent
        if settings.root is None
        else path.parent / _expand(settings.root, path)
    )
    read = read_table(table, settings.names)
    if "path" not in settings.constants:
        check_has(read, settings.names["path"])
    recordings = recordings_of(settings, root, read)
    _refuse_twice(recordings, table.name)
    _refuse_some_channels(recordings, table.name)
    if not recordings:
        raise RecordingError(f"{table.name}: no row, at least one recording is needed.")
    for column in settings.groups:
        recordings[0].value(column)
    return RecordingSet(
        path, settings, tuple(recordings), (f"{read.name}: {read.understood}",)
    )


def _join(path: Path, joined: JoinedFile) -> RecordingSet:
    """The recordings of all, each read as its own manifest says."""
    parts = [_part(path, _expand(text, path)) for text in joined.manifests]
    first = parts[0]
    for part in parts[1:]:
        for what, found, wanted in (
            ("sample rate in Hz", part.sample_rate_hz, first.sample_rate_hz),
            ("channels", part.channels, first.channels),
        ):
            if found != wanted:
                raise RecordingError(
                    f"{path.name}: {part.path} has other {what} ({found}) than {first.path}"
                    f" ({wanted}): they cannot be joined."
                )
    recordings = [one for part in parts for one in part.recordings]
    _refuse_twice(recordings, path.name)
    for column in joined.groups:
        for part in parts:
            part.recordings[0].value(column)
    names = dict.fromkeys(name for one in recordings for name in one.extra)
    whole = [
        replace(one, extra=dict.fromkeys(names, "") | dict(one.extra)) for one in recordings
    ]
    settings = first.settings.model_copy(
        update={"name": joined.name, "groups": joined.groups}
    )
    understood = dict.fromkeys(text for part in parts for text in part.understood)
    return RecordingSet(path, settings, tuple(whole), tuple(understood))


def _part(path: Path, text: str) -> RecordingSet:
    part = path.parent / text
    try:
        if "manifests" in read_yaml(part):
            raise RecordingError(f"{part}: names manifests itself; name those directly.")
        return load_manifest(part)
    except (ConfigError, RecordingError) as error:
        raise RecordingError(f"{path.name}: {error}") from error


def runs(manifest: RecordingSet) -> list[tuple[Recording, ...]]:
    """The recordings of each run (machine, point, group), in order of time: one stream each when
    replayed.
    """

    def run(recording: Recording) -> tuple[str, str, str]:
        return recording.machine, recording.point, recording.group

    ordered = sorted(
        manifest.recordings,
        key=lambda one: (*run(one), one.start_ns or 0, one.offset_s, one.row),
    )
    return [tuple(members) for _, members in groupby(ordered, key=run)]


def _expand(text: str, path: Path) -> str:
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        raise RecordingError(
            f"{path.name}: {text!r} names an environment variable that is not set."
        )
    return expanded


def _refuse_twice(recordings: list[Recording], table: str) -> None:
    seen: dict[tuple[object, ...], int] = {}
    for one in recordings:
        what = (one.path.resolve(), one.snapshot, one.first_sample, one.key, one.channel)
        if what in seen:
            raise RecordingError(
                f"{table} row {one.row}: {one.name} stands in row {seen[what]} too."
            )
        seen[what] = one.row


def _refuse_some_channels(recordings: list[Recording], table: str) -> None:
    """One channel in some rows and all in others cannot be one set."""
    all_of_them = [one for one in recordings if one.channel is None]
    if 0 < len(all_of_them) < len(recordings):
        raise RecordingError(
            f"{table} row {all_of_them[0].row}: names no channel, other rows do; name one in each."
        )
