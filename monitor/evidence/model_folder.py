"""A model folder: the network, every setting it depends on, and where it came from. Checked before
anything uses it.

manifest.yaml names each other file with its SHA-256; a folder whose files
differ from their manifest is refused.
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from monitor.records.evidence import Grid
from monitor.refusals import read_tree, sentences
from monitor.signal.spectrogram import SpectrogramSettings

MANIFEST_NAME = "manifest.yaml"
SELF_TEST_FILE = "self_test.npz"  # psd_db and the logits that training saw for it
MAX_FILE_BYTES = 64 << 20

BUNDLED_MODELS = Path(__file__).parents[1] / "models"

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ModelError(Exception):
    """A model that cannot be used; str() is one sentence that names the folder, the key or file,
    and the rule.
    """


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpectrogramSection(Section):
    """The fields of SpectrogramSettings as they stand in the file."""

    sample_rate_hz: Positive
    n_window: int
    n_fft: int
    hop: int
    taper: str
    band_edges_hz: tuple[Finite, ...]


class GridSection(Section):
    f_edges_hz: tuple[Finite, ...] = Field(min_length=2)
    t_edges_s: tuple[Finite, ...] = Field(min_length=2)

    @field_validator("f_edges_hz", "t_edges_s")
    @classmethod
    def _rising(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if any(not low < high for low, high in pairwise(edges)):
            raise ValueError("must rise")
        return edges


class Head(Section):
    """logit = bias + mean over cells of sum_k weights[k] * features[k]."""

    weights: tuple[Finite, ...] = Field(min_length=1, max_length=4096)
    bias: Finite


class ReceptiveField(Section):
    """What part of the spectrogram one map cell sees."""

    hz: Positive
    s: Positive


class ModelManifest(Section):
    """The checked manifest. threshold is in logit units: NG where the logit lies above it.

    status_rule : network = the network alone says NG; novelty = novelty alone;
        either = one of the two is enough
    novelty_floor : no sensor's novelty threshold is set below it, by what
        training's machines showed. None: each sensor's own threshold holds
    novelty_threshold : of 0.2.0 and before, for another score; not used
    levels : what the network is shown; relative = less the sensor's own
        commissioned levels, so a sensor that is not commissioned has no logit
    training : split, metrics, versions, fingerprint; free, for people to read
    """

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    created: str
    n_channels: int = Field(ge=1, le=16)
    unit: Literal["m/s2"]
    spectrogram: SpectrogramSection
    grid: GridSection
    head: Head
    threshold: Finite
    status_rule: Literal["network", "novelty", "either"] = "network"
    levels: Literal["absolute", "relative"] = "absolute"
    novelty_floor: Finite | None = None
    novelty_threshold: Finite | None = None
    receptive_field: ReceptiveField
    training: dict[str, Any] = {}
    files: dict[str, str] = Field(min_length=1, max_length=32)

    @field_validator("created", mode="before")
    @classmethod
    def _yaml_time(cls, value: object) -> str:
        return str(value)

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, str]) -> dict[str, str]:
        for name, digest in files.items():
            if (
                not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name)
                or name == MANIFEST_NAME
            ):
                raise ValueError(f"{name!r} must be a plain file name")
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise ValueError(
                    f"{name} = {digest!r} must be a SHA-256 in lower-case hexadecimal"
                )
        return files

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        settings = self.settings  # raises ValueError where the spectrogram is impossible
        if self.grid.f_edges_hz != settings.band_edges_hz:
            raise ValueError(
                "grid.f_edges_hz must equal spectrogram.band_edges_hz: the map's rows are the bands"
            )
        if len(self.grid.t_edges_s) - 1 > settings.n_frames:
            raise ValueError(
                "grid.t_edges_s has more columns than the spectrogram has frames"
                f" ({settings.n_frames})"
            )
        return self

    @property
    def needs_baseline(self) -> bool:
        """Whether a sensor must be commissioned before the network can judge it."""
        return self.levels == "relative"

    @property
    def settings(self) -> SpectrogramSettings:
        return SpectrogramSettings(**dict(self.spectrogram))

    @property
    def map_grid(self) -> Grid:
        return Grid(self.grid.f_edges_hz, self.grid.t_edges_s)


def find_model(name_or_path: str, models_folder: Path | None = None) -> Path:
    """The folder of a model: models_folder/NAME/current, else bundled by that name, else a path.

    A plant's own model of a bundled name goes first: it was promoted in that
    one's place. Raises ModelError naming the places looked at.
    """
    candidates = [Path(name_or_path)]
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name_or_path):
        registered = (
            [] if models_folder is None else [models_folder / name_or_path / "current"]
        )
        candidates = [*registered, BUNDLED_MODELS / name_or_path, *candidates]
    for folder in candidates:
        if (folder / MANIFEST_NAME).is_file():
            return folder
    places = ", ".join(str(folder) for folder in candidates)
    raise ModelError(f"model = {name_or_path!r}: no {MANIFEST_NAME} in any of {places}.")


def load_model_manifest(folder: Path) -> ModelManifest:
    """Read and check a model folder: the manifest, then every file's presence, size and SHA-256.

    Raises ModelError, one sentence.
    """
    tree = _read_tree(folder / MANIFEST_NAME)
    try:
        manifest = ModelManifest.model_validate(tree)
    except ValidationError as error:
        raise ModelError(
            f"{folder / MANIFEST_NAME}: {sentences(error).splitlines()[0]}"
        ) from error
    for name in manifest.files:
        read_checked(folder, name, manifest)
    return manifest


def manifest_sha256(folder: Path) -> str:
    """Of the manifest's bytes: it has the hashes of all other files. Raises ModelError."""
    return hashlib.sha256(_read_file(folder / MANIFEST_NAME)).hexdigest()


def read_checked(folder: Path, name: str, manifest: ModelManifest) -> bytes:
    """The bytes of one of a model's files, at most 64 MiB. Raises ModelError if they are not the
    manifest's.
    """
    content = _read_file(folder / name)
    found, expected = hashlib.sha256(content).hexdigest(), manifest.files[name]
    if found != expected:
        raise ModelError(
            f"{folder / name} has SHA-256 {found[:12]}..., its manifest says {expected[:12]}...: "
            "the file was changed after the model was made."
        )
    return content


def _read_file(path: Path) -> bytes:
    try:
        n_bytes = path.stat().st_size
        if not path.is_file() or n_bytes > MAX_FILE_BYTES:
            raise ModelError(
                f"{path} has {n_bytes} bytes: must be a plain file of at most {MAX_FILE_BYTES}"
                " bytes."
            )
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error


def _read_tree(path: Path) -> dict[str, Any]:
    try:
        return read_tree(path)
    except ValueError as error:
        raise ModelError(str(error)) from None
