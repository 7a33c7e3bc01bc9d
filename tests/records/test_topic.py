"""Topic patterns name sensors."""

from __future__ import annotations

import pytest

from monitor.records.topic import TopicPattern


def test_a_topic_names_its_sensor() -> None:
    pattern = TopicPattern.parse("vibration/{machine}/{point}/waveform")
    assert pattern.filter == "vibration/+/+/waveform"
    assert pattern.sensor("vibration/press 7/drive end/waveform") == "press 7/drive end"
    assert pattern.sensor("vibration/a/b/spectrum") is None
    assert pattern.sensor("vibration/a/b/c/waveform") is None
    assert pattern.sensor("vibration//b/waveform") is None


def test_a_level_may_be_named_and_stand_for_itself_alone() -> None:
    pattern = TopicPattern.parse("plant/{machine=press 7}/{point}")
    assert pattern.filter == "plant/press 7/+"
    assert pattern.sensor("plant/press 7/drive") == "press 7/drive"
    assert pattern.sensor("plant/press 8/drive") is None
    places = TopicPattern.parse("{site=hamburg}/{machine=pump}/{point=a.b}")
    assert places.sensor("hamburg/pump/a.b") == "hamburg.pump/a.b"


def test_without_a_point_it_is_main() -> None:
    assert (
        TopicPattern.parse("plant/+/{machine}").sensor("plant/hall 2/mill") == "mill/main"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vibration/x", "must name {machine} once"),
        ("{machine}/{machine}", "must name {machine} once"),
        ("{machine}/{axis}", "has a level {axis}"),
        ("{machine}/#", "each level must be plain text"),
        ("{machine=a}/{machine}", "must name {machine} once"),
        ("{axis=x}/{machine}", "has a level {axis}"),
        ("{machine=}", "must name {machine} once"),
        ("{machine=a+b}", "must name {machine} once"),
        ("a{machine}/{machine}", "each level must be plain text"),
        ("{machine}/{site}/{site}", "each other level at most once"),
        # Case d26-share-subscription: granted, and then every message unmatched.
        ("$share/camshaft/vibration/{machine}/{point}/waveform", r"begins with \$share/"),
        ("$queue/vibration/{machine}", "each would see gaps; write the topic without it"),
        ("$exclusive/vibration/{machine}", r"begins with \$exclusive/"),
    ],
)
def test_what_is_no_pattern(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TopicPattern.parse(text)


def test_a_place_without_its_machine_is_refused() -> None:
    """Where the payload names the machine: the place would be lost without a word."""
    with pytest.raises(ValueError, match=r"names {site}, which needs {machine} as well"):
        TopicPattern.parse("{site}/{point}", needs_machine=False)


def test_places_stand_before_the_machine_the_wider_first() -> None:
    pattern = TopicPattern.parse("{area}/{machine}/of/{site}/{point}")
    assert (
        pattern.sensor("hall 2/pump-1/of/hamburg/bearing")
        == "hamburg.hall 2.pump-1/bearing"
    )
    assert pattern.sensor("/pump-1/of/hamburg/bearing") is None
    assert not pattern.is_ambiguous
    assert TopicPattern.parse("site/+/{machine}").is_ambiguous
