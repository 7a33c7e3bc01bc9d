"""The configuration file: YAML in, checked settings out, and a sentence for whatever is wrong.
Touches no network.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from monitor.config import Config, ConfigError
from monitor.config_pairs import refusals
from monitor.settings import Settings
from monitor.signal.payload.formats import FORMAT_NAMES

log = logging.getLogger(__name__)

MAX_CONFIG_BYTES = 1 << 20


UNITS_OF_SUFFIX = {
    "_hz": "hertz",
    "_s": "seconds",
    "_ns": "nanoseconds",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_ms2": "m/s²",
    "_db": "decibels",
}


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises ConfigError: one sentence for each thing that is wrong. Relative paths are taken from the
    file's folder.
    """
    return parse_config(read_yaml(path), path.parent)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file of at most MAX_CONFIG_BYTES. Raises ConfigError, one
    sentence.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(
                f"{path} has {path.stat().st_size} bytes; at most {MAX_CONFIG_BYTES} bytes are"
                " read."
            )
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold keys and values, found {type(tree).__name__}.")
    return tree


def write_yaml(path: Path, tree: dict[str, Any]) -> None:
    """Write a file that read_yaml takes back."""
    path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), encoding="utf-8")


def parse_config(tree: dict[str, Any], folder: Path) -> Config:
    """Check a configuration already read. Raises ConfigError as load_config does."""
    try:
        config = Config.model_validate(_with_new_names(tree))
    except ValidationError as error:
        text = sentences(error)
        if isinstance(tree.get("influx"), dict):  # one section, which is a list to the checks
            text = text.replace("influx[0]", "influx")
        raise ConfigError(text) from error
    if wrong := list(refusals(config)):
        raise ConfigError("\n".join(wrong))
    journal = config.journal.model_copy(update={"path": folder / config.journal.path})
    models_folder = None if config.models_folder is None else folder / config.models_folder
    return config.model_copy(update={"journal": journal, "models_folder": models_folder})


def changed_keys(key: str, running: object, wanted: object) -> list[str]:
    """Each key below that differs, with the value in use. What may hold a secret is only named."""
    if isinstance(running, Settings) and type(running) is type(wanted):
        names = type(running).model_fields
        pairs = [(f"{key}.{name}", getattr(running, name), getattr(wanted, name)) for name in names]
        return [said for pair in pairs for said in changed_keys(*pair)]
    if isinstance(running, tuple) and isinstance(wanted, tuple) and len(running) == len(wanted):
        places = [f"{key}[{number}]" for number in range(len(running))]
        if len(places) == 1:
            places = [key]
        return [
            said
            for place, one, other in zip(places, running, wanted, strict=True)
            for said in changed_keys(place, one, other)
        ]
    if running == wanted:
        return []
    if isinstance(running, str | int | float | Path) and not key.startswith("notifications"):
        return [f"{key} ({_in_use(running)} is in use)"]
    return [key]


def _in_use(value: str | float | Path) -> str:
    """Without a password that stands in a URL."""
    return re.sub(r"//[^/@]*@", "//***@", str(value))


def _with_new_names(tree: dict[str, Any]) -> dict[str, Any]:
    """The same settings under the names of today. A file that names both is refused later on."""
    journal = tree.get("journal")
    if not isinstance(journal, dict) or "evidence" not in journal or "kept_windows" in journal:
        return tree
    log.warning("journal.evidence is now journal.kept_windows; the old name is still read.")
    renamed = {key: value for key, value in journal.items() if key != "evidence"}
    return tree | {"journal": renamed | {"kept_windows": journal["evidence"]}}


def sentences(error: ValidationError) -> str:
    """What pydantic refuses, one sentence a line."""
    found = error.errors(include_url=False)
    # A list whose entries are all wrong is also called too short: that says nothing new.
    return "\n".join(
        _sentence(item) for item in found if item["type"] != "too_short" or not item["input"]
    )


def _sentence(item: Any) -> str:
    """One pydantic error as a sentence: key = value: rule (unit)."""
    parts = [part for part in item["loc"] if part not in FORMAT_NAMES]
    key = (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
        or "configuration"
    )
    kind, value = item["type"], item["input"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key} = {_short(value)}: there is no such key."
    if kind == "missing":
        return f"{key} is missing: it has no default{_unit(key)}."
    rule = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
    rule = rule.replace("Input should be", "must be").replace("Input", "it")
    shown = "" if isinstance(value, dict) else f" = {_short(value)}"
    return f"{key}{shown}: {rule}{_unit(key)}."


def _unit(key: str) -> str:
    return next(
        (f" (unit: {unit})" for suffix, unit in UNITS_OF_SUFFIX.items() if key.endswith(suffix)), ""
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
