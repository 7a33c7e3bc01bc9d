"""Models by name: FOLDER/<name>/<id>/ each a model folder, FOLDER/<name>/current a link to the one
in service.

A model comes into service, and goes out of it, by one rename of that link; the
service reads it at start and at SIGHUP. FOLDER/<name>/promoted lists the ids
that were put into service, the last is the one before the next.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from monitor.evidence.model_folder import BUNDLED_MODELS, load_model_manifest
from training import TrainingError
from training.export import whole_folder

CURRENT, HISTORY = "current", "promoted"


def publish(model: Path, models_folder: Path) -> Path:
    """Copy a model folder to its place; it is not in service by that. Returns the place. Raises
    ModelError.
    """
    manifest = load_model_manifest(model)
    place = models_folder / manifest.name / manifest.id
    if place.exists():
        load_model_manifest(place)
        return place
    with whole_folder(place) as draft:
        shutil.copytree(model, draft, dirs_exist_ok=True)
    return place


def promote(models_folder: Path, name: str, model_id: str) -> str | None:
    """Put a published model into service. Returns the id it replaces. Raises ModelError,
    TrainingError.

    In place of a bundled model this one is published, too, so that rollback
    finds it.
    """
    load_model_manifest(models_folder / name / model_id)
    if in_service(models_folder, name) is None and (BUNDLED_MODELS / name).is_dir():
        _point(models_folder / name, publish(BUNDLED_MODELS / name, models_folder).name)
    before = in_service(models_folder, name)
    if before == model_id:
        raise TrainingError(f"{name} {model_id} is in service already.")
    history = _history(models_folder, name)
    _write(
        models_folder / name / HISTORY, "".join(f"{one}\n" for one in [*history, model_id])
    )
    _point(models_folder / name, model_id)
    return before


def rollback(models_folder: Path, name: str) -> str:
    """Put the model before the present one back into service. Returns its id.
    Raises TrainingError.
    """
    history = _history(models_folder, name)
    if len(history) < 2:
        raise TrainingError(
            f"{name}: no model was in service before {history[-1] if history else 'any'}."
        )
    load_model_manifest(models_folder / name / history[-2])
    _point(models_folder / name, history[-2])
    _write(models_folder / name / HISTORY, "".join(f"{one}\n" for one in history[:-1]))
    return history[-2]


def in_service(models_folder: Path, name: str) -> str | None:
    """The id of the model in service."""
    link = models_folder / name / CURRENT
    return os.readlink(link) if link.is_symlink() else None


def _history(models_folder: Path, name: str) -> list[str]:
    """Ids in the order they came into service; the link tells where in it we are, should a step
    have been cut short.
    """
    path, present = models_folder / name / HISTORY, in_service(models_folder, name)
    listed = path.read_text(encoding="ascii").split() if path.exists() else []
    if present is None:
        return []
    if present not in listed:
        return [*listed, present]
    return listed[: len(listed) - listed[::-1].index(present)]


def _point(folder: Path, model_id: str) -> None:
    draft = folder / f".{CURRENT}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(model_id)
    os.replace(draft, folder / CURRENT)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="ascii")
    os.replace(draft, path)
