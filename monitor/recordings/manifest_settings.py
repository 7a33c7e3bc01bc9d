"""A manifest of recordings as it is written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from monitor.recordings.file_settings import FileSettings
from monitor.recordings.recording import Label
from monitor.settings import Settings
from monitor.signal.payload.local_time import check_zone

OUR_COLUMNS = (
    "path",
    "label",
    "machine",
    "point",
    "group",
    "start",
    "offset_s",
    "first_sample",
    "n_samples",
    "sample_rate_hz",
    "key",
    "channel",
)

Share = Annotated[float, Field(ge=0, le=1)]


class LifeRule(Settings):
    """Labels of a run to failure by its share of life: ok within `ok`, ng in the last snapshots,
    else unlabelled.
    """

    rule: Literal["life"]
    ok: tuple[Share, Share] = (0.05, 0.25)
    ng_last: Share = 0.02
    ng_at_least: int = Field(default=20, ge=1)

    def label(self, index: int, count: int) -> Label:
        if index >= count - max(self.ng_at_least, round(self.ng_last * count)):
            return "ng"
        return "ok" if self.ok[0] <= index / count < self.ok[1] else "unlabelled"


class ManifestFile(Settings):
    """The YAML file as written."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    table: str = "recordings.csv"
    root: str | None = None  # folder of the recordings; None: the table's
    files: FileSettings
    # Our name: the table's, where they differ.
    columns: dict[str, str] = Field(default_factory=dict)
    # Columns that the table lacks, the same in every row.
    constants: dict[str, str] = Field(default_factory=dict)
    # May be held out; the first by default.
    groups: tuple[str, ...] = Field(default=("machine",), min_length=1)
    labels: LifeRule | None = None  # None: the label column
    time_zone: str | None = None  # of start times that name none; None: UTC

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        check_zone(value)
        return value

    @field_validator("columns", "constants")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = [name for name in value if name not in OUR_COLUMNS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} must be one of {', '.join(OUR_COLUMNS)}")
        return value

    @property
    def names(self) -> dict[str, str]:
        """Of our columns, as the table has them."""
        return {name: self.columns.get(name, name) for name in OUR_COLUMNS}


class JoinedFile(Settings):
    """A manifest that names manifests, each with a table of its own: relative to this file, or with
    $VARIABLES.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    manifests: tuple[str, ...] = Field(min_length=1, max_length=1000)
    groups: tuple[str, ...] = Field(default=("machine",), min_length=1)
