"""What is refused is said in our words, whatever the key and the value; a secret is never said."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, Field, ValidationError

from monitor.cli import main
from monitor.config import Config
from monitor.config_connections import Secret
from monitor.config_file import load_config, parse_config
from monitor.recordings.manifest_settings import ManifestFile
from monitor.refusals import read_tree, sentences, shown_url
from monitor.settings import ConfigError

SECRET = "hunter2-Zx9/+="

# A configuration with every section, so that every key can be made wrong.
WHOLE: dict[str, Any] = {
    "mqtt": {
        "username": "u",
        "password": {"env": "P"},
        "tls": {"certificate_file": "c", "key_file": "k"},
        "publish": {"home_assistant": "homeassistant"},
    },
    "subscriptions": [
        {"topic": "a/{machine}/{point}", "payload": {"format": "raw"}},
        {"topic": "b/{machine}/{point}", "payload": {"format": "json", "samples": "v"}},
    ],
    "sensors": [{"sample_rate_hz": 1000, "running": {"limit_rms_ms2": 1}, "alarm": {}}],
    "machines": [
        {
            "match": "*",
            "shaft": {"rpm": 1480},
            "bearings": [{"name": "a", "elements": 9, "element_mm": 8, "pitch_mm": 40}],
            "gears": [{"name": "b", "teeth": 20}],
            "blades": [{"name": "c", "count": 6}],
            "belts": [{"name": "d", "length_mm": 1000, "pulley_mm": 100}],
            "motor": {"line_hz": 50},
        }
    ],
    "journal": {"kept_windows": {}},
    "influx": [{"url": "http://h:8086", "bucket": "b", "token": {"env": "T"}}],
    "notifications": {
        "webhooks": [
            {
                "name": "chat",
                "url": "https://h/hook",
                "authorization": {"env": "A"},
                "fields": {"channel": "x"},
            },
            {
                "name": "b",
                "url": "https://h/v2",
                "template": "pagerduty",
                "routing_key": {"env": "K"},
            },
        ],
        "mails": [
            {
                "name": "m",
                "host": "h",
                "username": "u",
                "password": {"env": "M"},
                "sender": "a@h",
                "to": ["b@h"],
                "tls": {},
            }
        ],
        "syslog": [{"name": "s", "address": "tls://h", "tls": {}}],
    },
    "page": {
        "password": {"env": "P"},
        "users": {"env": "U"},
        "proxy": {"address": "10.0.0.1"},
        "tokens": [{"name": "t", "token": {"env": "T"}}],
        "tls": {"certificate_file": "c", "key_file": "k"},
    },
    "prometheus": {},
    "logging": {},
}
WRONG: tuple[object, ...] = (
    "x y/z",
    "",
    7,
    -1,
    1.5,
    math.nan,
    math.inf,
    10**400,
    True,
    None,
    [],
    [1, "a"],
    {},
    {"a": [1]},
    {1: 2},
)
LIBRARY_WORDS = re.compile(
    r"\bInput\b|\bit should\b|should|valid\b|tuple|dictionary|instance|discriminator|found using"
    r"|\btag\b|pydantic|\bstr\b|\bstring\b|integer|parse|pattern|NoneType|cannot be used here"
    r"|Field required|permitted|\bctx\b",
    re.IGNORECASE,
)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


Place = tuple[str | int, ...]


def places(model: type[BaseModel], tree: Any, at: Place = ()) -> Iterator[Place]:
    """Where every key of a model stands in a tree that has its sections."""
    for name, field in model.model_fields.items():
        yield (*at, name)
        inside = list(models_in(field.annotation))
        found = tree.get(name) if isinstance(tree, dict) else None
        for index, one in enumerate(found if isinstance(found, list) else [found]):
            here = (*at, name, index) if isinstance(found, list) else (*at, name)
            for section in inside:
                if isinstance(one, dict):
                    yield from places(section, one, here)


def changed(place: Place, value: object) -> dict[str, Any]:
    tree: Any = copy.deepcopy(WHOLE)
    at = tree
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = value
    return dict(tree)


def refusal(tree: dict[str, Any]) -> str:
    try:
        parse_config(tree, Path("/etc/camshaft"))
    except ConfigError as error:
        return str(error)
    return ""


PLACES = list(dict.fromkeys(places(Config, WHOLE)))


def test_every_wrong_value_of_every_key_is_said_in_our_words() -> None:
    assert refusal(WHOLE) == ""
    assert len(PLACES) > 90
    said = [
        line
        for place in PLACES
        for wrong in WRONG
        for line in refusal(changed(place, wrong)).splitlines()
    ]
    assert len(said) > 500
    for line in said:
        rule = line.partition(": must")[2] or line
        assert not LIBRARY_WORDS.search(re.sub(r"'[^']*'", "", rule)), line
        assert line.endswith("."), line
        assert len(line) < 300, line


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (
            {"format": "xml"},
            "subscriptions[0].payload.format = 'xml': must be one of 'raw', 'json', 'csv', 'cbor',"
            " 'msgpack', 'senml', 'opcua', 'sparkplug'.",
        ),
        (
            {},
            "subscriptions[0].payload.format is missing: it must be 'cbor' or 'csv' or 'json' or"
            " 'msgpack' or 'opcua' or 'raw' or 'senml' or 'sparkplug'.",
        ),
        ("raw", "subscriptions[0].payload: must hold keys and values."),
    ],
)
def test_a_payload_that_is_none(payload: object, sentence: str) -> None:
    """The library says: it tag 'xml' found using 'format' does not match any of the ..."""
    assert refusal(changed(("subscriptions", 0, "payload"), payload)) == sentence


def test_a_list_that_is_none() -> None:
    """The library says: must be a valid tuple."""
    said = refusal(changed(("sensors", 0, "channels"), "x"))
    assert said == "sensors[0].channels: must be a list."


def test_a_manifest_of_recordings_is_refused_in_the_same_words() -> None:
    tree = {
        "name": "a",
        "files": {"format": "csv", "sample_rate_hz": 1, "key": 1.5},
        "groups": "m",
    }
    with pytest.raises(ValueError, match="validation errors") as refused:
        ManifestFile.model_validate(tree)
    assert sentences(refused.value).splitlines() == [  # type: ignore[arg-type]
        "files.key = 1.5: must be text (in quotes, if it looks like a number).",
        "files.key: must be a list.",
        "groups: must be a list.",
    ]


class Edges(BaseModel):
    edges: tuple[float, ...] = Field(min_length=2)


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ([], ["edges = []: must have 2 or more entries."]),
        ([1], ["edges = [1]: must have 2 or more entries."]),
        (["a"], ["edges[0] = 'a': must be a number."]),
        ([1, "a"], ["edges[1] = 'a': must be a number."]),
    ],
)
def test_a_list_that_is_too_short_is_refused_in_one_sentence(
    edges: list[object], said: list[str]
) -> None:
    """Of one entry where there must be two nothing was said at all."""
    with pytest.raises(ValidationError) as refused:
        Edges.model_validate({"edges": edges})
    assert sentences(refused.value).splitlines() == said


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["manifest.yaml"], "name the file in it, {0}/manifest.yaml."),
        (["a.yaml", "b.yaml"], "name the file in it, {0}/a.yaml or {0}/b.yaml."),
        (["recordings.csv"], "name a YAML file."),
    ],
)
def test_a_folder_in_place_of_its_file(names: list[str], hint: str, tmp_path: Path) -> None:
    """`camshaft record --out FOLDER`, then `camshaft-train inspect FOLDER`."""
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="is a folder") as refused:
        read_tree(tmp_path)
    assert str(refused.value) == f"{tmp_path} is a folder: {hint.format(tmp_path)}"


# -- secrets --------------------------------------------------------------------------------------


SECRETS = ("password", "token", "authorization", "fields", "routing_key", "users")


def secret_places(model: type[BaseModel], tree: Any) -> list[Place]:
    """Every key that may hold a secret: those of type Secret, webhooks' URLs and constants."""
    return [
        place
        for place in PLACES
        if any(isinstance(part, str) and part in SECRETS for part in place)
        or place[-1] == "url"
    ]


def test_the_walk_finds_every_secret_of_the_configuration() -> None:
    def typed(model: type[BaseModel], seen: frozenset[type]) -> Iterator[str]:
        for name, field in model.model_fields.items():
            for inside in models_in(field.annotation):
                if inside is Secret:
                    yield name
                elif inside not in seen:
                    yield from typed(inside, seen | {inside})

    found = {str(place[-1]) for place in secret_places(Config, WHOLE)}
    assert set(typed(Config, frozenset())) == {*SECRETS} - {"fields"} <= found


WAYS: list[Callable[[str], object]] = [
    lambda secret: secret,
    lambda secret: [secret],
    lambda secret: {"value": secret},
    lambda secret: {"env": secret},
    lambda secret: {"env": [secret]},
    lambda secret: {"file": {"x": secret}},
    lambda secret: {"env": "A", "file": secret},
    lambda secret: {secret: 1},
    lambda secret: f"ftp://user:{secret}@host/{secret}",
    lambda secret: f"https://user:{secret}@host/",
    lambda secret: f"user:{secret}@host",
    lambda secret: f"host/{secret}",
    lambda secret: {"key": {"key": secret}},
]


@pytest.mark.parametrize("place", secret_places(Config, WHOLE), ids=str)
def test_a_secret_in_place_is_not_said(place: Place) -> None:
    for way in WAYS:
        if place[-1] == "url" and isinstance(way("x"), str) and "/" not in str(way("x")):
            continue  # a word alone is no URL with a secret in it
        said = refusal(changed(place, way(SECRET)))
        given = way(SECRET)
        key = SECRET if isinstance(given, dict) and SECRET in given else ""
        assert SECRET not in said.replace(f".{key}:", "") if key else SECRET not in said


@pytest.mark.parametrize("section", ["mqtt", "influx", "page", "notifications"])
def test_nor_under_a_misspelt_key_or_a_section_that_is_none(section: str) -> None:
    for value in (
        {"pasword": SECRET},
        [{"password": SECRET}],
        [SECRET],
        {"tokn": {"env": SECRET}},
    ):
        said = refusal(changed((section,), value))
        assert said
        assert SECRET not in said


@pytest.mark.parametrize(
    "line",
    [
        f'password: "{SECRET}',
        f"password: [{SECRET}",
        f"password: !{SECRET} x",
        f"password: *{SECRET}",
        f"password: {SECRET}: x",
        f"password: @{SECRET}",
        f"{SECRET}\x00",
        f"- {SECRET}",
        f"2026-13-45T00:00:00 # {SECRET}",
    ],
)
def test_nor_where_the_file_is_not_yaml(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"mqtt:\n  host: x\n  {line}\n")
    assert main(["check-config", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(str(path))
    assert SECRET not in said


@pytest.mark.parametrize(
    "text", ["t: 2026-13-45", "t: !!bool x", "t: !!float ''", "[" * 600]
)
def test_yaml_that_breaks_its_reader_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not YAML: ") as refused:
        load_config(path)
    assert len(str(refused.value).splitlines()) == 1


def test_a_secret_that_cannot_be_read_is_not_said() -> None:
    for place in ({"env": "hunter2"}, {"file": "hunter2"}):
        secret = Secret.model_validate(place)
        with pytest.raises(ConfigError, match="not shown") as refused:
            secret.read()
        assert "hunter2" not in str(refused.value)


def test_the_settings_hold_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P", SECRET)
    monkeypatch.setenv("T", SECRET)
    config = parse_config(WHOLE, tmp_path)
    assert config.influx[0].token is not None
    assert config.influx[0].token.read() == SECRET
    assert SECRET not in repr(config) + str(config) + yaml.safe_dump(
        config.model_dump(mode="json")
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example/bot123:abc/send", "https://api.example/..."),
        ("https://user:pw@host:1/", "https://..."),
        ("localhost:8086", "localhost:8086"),
        ("user:p@ss/w@host", "..."),
        ("ftp://u:p@h/x", "ftp://..."),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
