"""Between records and the plain values that JSON and YAML keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from monitor.refusals import sentences
from training import TrainingError

Record = TypeVar("Record")


def plain(value: Any) -> Any:
    """A record becomes a mapping of its fields, a tuple a list; all else stays.

    A record whose written keys are not its fields' names says so itself, in
    as_tree().
    """
    if hasattr(value, "as_tree"):
        return value.as_tree()
    if is_dataclass(value):
        return fields_of(value)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def fields_of(record: Any) -> dict[str, Any]:
    """The mapping alone, for a record's own as_tree()."""
    return {field.name: plain(getattr(record, field.name)) for field in fields(record)}


def record_of(adapter: TypeAdapter[Record], tree: object, where: str) -> Record:
    """The record that plain values stand for.

    Raises TrainingError, one sentence a line; where : what they were read from
    """
    try:
        return adapter.validate_python(tree)
    except ValidationError as error:
        raise TrainingError(f"{where}: {sentences(error)}") from error
