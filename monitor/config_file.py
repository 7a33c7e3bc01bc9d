"""The configuration file: YAML in, checked settings out, and a sentence for whatever is wrong.
Touches no network.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from monitor.config import Config
from monitor.config_machines import MachineSettings, MachinesFile
from monitor.config_page import PageSettings
from monitor.config_pairs import refusals
from monitor.refusals import read_tree, sentences
from monitor.settings import ConfigError, Settings

log = logging.getLogger(__name__)


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises ConfigError: one sentence for each thing that is wrong. Relative
    paths are taken from the file's folder.
    """
    return parse_config(read_yaml(path), path.parent)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file. Raises ConfigError, one sentence."""
    try:
        return read_tree(path)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def write_yaml(path: Path, tree: dict[str, Any]) -> None:
    """Write a file that read_yaml takes back."""
    path.write_text(
        yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )


def load_machines(path: Path) -> tuple[MachineSettings, ...]:
    """The section `machines` of a YAML file, whatever else stands there. Raises ConfigError."""
    tree = read_yaml(path)
    try:
        return MachinesFile.model_validate({"machines": tree.get("machines", [])}).machines
    except ValidationError as error:
        raise ConfigError(sentences(error)) from None


def parse_config(tree: dict[str, Any], folder: Path) -> Config:
    """Check a configuration already read. Raises ConfigError as load_config does."""
    try:
        config = Config.model_validate(_with_new_names(tree))
    except ValidationError as error:
        text = sentences(error)
        # one section, which is a list to the checks
        if isinstance(tree.get("influx"), dict):
            text = text.replace("influx[0]", "influx")
        raise ConfigError(text) from None  # its text would show what ours hides
    if wrong := list(refusals(config)):
        raise ConfigError("\n".join(wrong))
    journal = config.journal.model_copy(update={"path": folder / config.journal.path})
    models_folder = None if config.models_folder is None else folder / config.models_folder
    page = _with_paths(config.page, folder)
    return config.model_copy(
        update={"journal": journal, "models_folder": models_folder, "page": page}
    )


def _with_paths(page: PageSettings, folder: Path) -> PageSettings:
    """The journals beside ours, from the file's folder."""
    instances = tuple(
        one
        if one.journal is None
        else one.model_copy(update={"journal": folder / one.journal})
        for one in page.instances
    )
    return page.model_copy(update={"instances": instances})


def changed_keys(key: str, running: object, wanted: object) -> list[str]:
    """Each key below that differs, with the value in use. What may hold a secret is only named."""
    if isinstance(running, Settings) and type(running) is type(wanted):
        names = type(running).model_fields
        pairs = [
            (f"{key}.{name}", getattr(running, name), getattr(wanted, name))
            for name in names
        ]
        return [said for pair in pairs for said in changed_keys(*pair)]
    if (
        isinstance(running, tuple)
        and isinstance(wanted, tuple)
        and len(running) == len(wanted)
    ):
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
    if isinstance(running, str | int | float | Path) and not key.startswith(
        "notifications"
    ):
        return [f"{key} ({running} is in use)"]
    return [key]


def _with_new_names(tree: dict[str, Any]) -> dict[str, Any]:
    """The same settings under the names of today. A file that names both is refused later on."""
    journal = tree.get("journal")
    if (
        not isinstance(journal, dict)
        or "evidence" not in journal
        or "kept_windows" in journal
    ):
        return tree
    log.warning("journal.evidence is now journal.kept_windows; the old name is still read.")
    renamed = {key: value for key, value in journal.items() if key != "evidence"}
    return tree | {"journal": renamed | {"kept_windows": journal["evidence"]}}
