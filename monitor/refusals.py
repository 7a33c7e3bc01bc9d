"""What is wrong with a YAML file and its values, in our words, and never a secret among them.

A password may be written where only its place belongs, under a misspelt key, or
in a URL. So the value of an unknown key, of a secret and of anything but plain
text or a number is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from monitor.signal.payload.formats import FORMAT_NAMES

MAX_BYTES = 1 << 20
N_NAMED = 3  # files of a folder

UNITS_OF_SUFFIX = {
    "_hz": "hertz",
    "_s": "seconds",
    "_ns": "nanoseconds",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_ms2": "m/s²",
    "_db": "decibels",
    "_mm": "millimetres",
    "_deg": "degrees",
    "rpm": "1/min",
}

# Keys that hold a secret or where it is to be found, and constants that a webhook sends along.
HIDDEN = re.compile("password|token|authorization|secret|fields|users|routing_key")

# Where a value may be text or a list, pydantic says of each that it is not that.
CHOICES = re.compile(r"(constrained-)?str|tuple\[.*\]")

# Kinds of error of a word that stands where keys and values or a list belong.
STRUCTURES = (
    *("model_type", "model_attributes_type", "dataclass_type", "mapping_type", "dict_type"),
    *("tuple_type", "list_type"),
)

# pydantic's kinds of error, as the rule that they break. What stands in braces is the error's own.
RULES = {
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "dataclass_type": "must hold keys and values",
    "mapping_type": "must hold keys and values",
    "dict_type": "must hold keys and values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_type": "must be text (in quotes, if it looks like a number)",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be less than or equal to {le}",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
    "invalid_key": "must be a word: keys cannot be numbers",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
}
RULES_OF_PATTERN = {
    r"^[A-Za-z0-9_.-]{1,64}$": "must be 1 to 64 letters, digits, dots, hyphens or underscores",
    r"^[A-Za-z0-9._-]{1,64}$": "must be 1 to 64 letters, digits, dots, hyphens or underscores",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": (
        "must be 1 to 64 letters, digits, dots, hyphens or underscores, a letter or digit first"
    ),
}


def sentences(error: ValidationError) -> str:
    """What the checks refuse, one sentence a line: key = value: rule (unit)."""
    found = error.errors(include_url=False)
    # A list whose entries are wrong is also called too short: that says nothing new.
    lists = {item["loc"][:n] for item in found for n in range(len(item["loc"]))}
    lines = [
        _sentence(item)
        for item in found
        if item["type"] != "too_short" or item["loc"] not in lists
    ]
    return "\n".join(dict.fromkeys(lines))


def _yaml_problem(error: Exception) -> str:
    """Where a file stops being YAML, and why, without a word of what stands there."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "it holds characters or values that YAML does not allow"
    why = re.sub(r"(['\"]).{2,}\1", "...", getattr(error, "problem", None) or "")
    return f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(why.split())}"


def read_tree(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file of at most MAX_BYTES. Raises ValueError, one sentence."""
    try:
        # a device or a pipe has no size: no more than this is read
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        inside = " or ".join(str(one) for one in sorted(path.glob("*.yaml"))[:N_NAMED])
        hint = f"name the file in it, {inside}" if inside else "name a YAML file"
        raise ValueError(f"{path} is a folder: {hint}.") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} has over {MAX_BYTES} bytes: no more are read.")
    try:
        tree = parse_yaml(content)
    except ValueError as error:
        raise ValueError(f"{path} is not YAML: {error}.") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path} must hold keys and values, found {_kind(tree)}.")
    return tree


def _kind(tree: object) -> str:
    return {"list": "a list", "NoneType": "nothing"}.get(type(tree).__name__, "one value")


def parse_yaml(content: bytes) -> Any:
    """Raises ValueError saying where and why it is none."""
    try:
        return yaml.safe_load(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8 text") from None
    # Its constructors let through whatever Python raises of a wrong date or a wrong tag.
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(_yaml_problem(error)) from None  # the cause quotes the file
    except RecursionError:
        raise ValueError("its lists and keys are nested too deeply") from None


def shown_url(url: str) -> str:
    """A URL without user, password and path: a webhook's path is often its secret."""
    scheme, slashes, rest = url.rpartition("://") if "://" in url else ("", "", url)
    host, slash, path = rest.partition("/")
    if set(rest) & set("@?#\\"):  # where the host begins and ends is not certain
        return f"{scheme}{slashes}..."
    return f"{scheme}{slashes}{host}{slash}{'...' if path else ''}"


def _sentence(item: Any) -> str:
    kind, parts = item["type"], _parts(item)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    key = key.lstrip(".") or "configuration"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key}: there is no such key."
    if kind == "missing":
        return f"{key} is missing: it has no default{_unit(key)}."
    if kind == "union_tag_not_found":
        return f"{key}.format is missing: it must be {_listed(FORMAT_NAMES)}."
    return f"{key}{_shown(parts, item)}: {_rule(parts, item)}{_unit(key)}."


def _parts(item: Any) -> list[str | int]:
    """The levels of a key as a person wrote them, without the choices that pydantic names."""
    parts = [
        part
        for part in item["loc"]
        if not (part in FORMAT_NAMES or CHOICES.fullmatch(str(part)))
    ]
    return [*parts, "format"] if item["type"] == "union_tag_invalid" else parts


def _rule(parts: Sequence[str | int], item: Any) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if _is_hidden(parts) and kind == "model_type":
        return (
            "must be {file: PATH}, {env: NAME} or {credential: NAME}, never the word itself"
        )
    if kind == "string_pattern_mismatch":
        return RULES_OF_PATTERN.get(
            context["pattern"], "has characters that cannot be there"
        )
    if kind == "value_error":
        return str(context["error"]).rstrip(".")
    plain = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in context.items()
    }
    return RULES.get(kind, "cannot be used here").format(**plain)


def _shown(parts: Sequence[str | int], item: Any) -> str:
    """= and the value, where it may be shown and says something."""
    value = item["ctx"]["tag"] if item["type"] == "union_tag_invalid" else item["input"]
    if item["type"] in STRUCTURES or _is_hidden(parts):
        return ""
    numbers = isinstance(value, list) and all(isinstance(one, int | float) for one in value)
    if not (numbers or value is None or isinstance(value, str | int | float)):
        return ""
    if isinstance(value, str) and parts[-1:] == ["url"]:
        value = shown_url(value)
    text = "nothing" if value is None else repr(value)
    return f" = {text if len(text) <= 60 else text[:57] + '...'}"


def _is_hidden(parts: Sequence[str | int]) -> bool:
    return any(isinstance(part, str) and HIDDEN.search(part) for part in parts)


def _listed(names: frozenset[str]) -> str:
    return " or ".join(repr(name) for name in sorted(names))


def _unit(key: str) -> str:
    return next(
        (
            f" (unit: {unit})"
            for suffix, unit in UNITS_OF_SUFFIX.items()
            if key.endswith(suffix)
        ),
        "",
    )
