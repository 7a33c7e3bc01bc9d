"""Each receiver's body against what its documentation asks for, over real HTTP; reminders;
receivers that say yes to everything, or nothing at all.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from monitor.advice import advice_book
from monitor.config import AdviceSettings
from monitor.config_connections import Secret
from monitor.config_outputs import WebhookSettings
from monitor.journal.labels import LabelStore
from monitor.journal.mutes import Mute, MuteStore
from monitor.outputs.notices import NoticeRules
from monitor.outputs.notify import STATE_OF_KIND
from monitor.outputs.templates import BODIES, has_taken
from monitor.outputs.webhook import Webhook, cursor_name
from monitor.records.batch import Batch
from monitor.records.labels import Label, LabelRequest
from tests.outputs.alarm_plant import SENSOR, AlarmPlant, HttpReceiver, http_receiver
from tests.verdicts import make_verdict

HOSTILE = "<!channel> [x](https://evil.example) &lt;b&gt; *fat*\u202e"
ROUTING_KEY = "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY00"


def text(limit: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": limit}


def only(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def one_of(*words: Any) -> dict[str, Any]:
    return {"enum": list(words)}


# What the documentation of each receiver says of its body; where, says templates.py.
SLACK_PLAIN = only(
    ["type", "text"], type=one_of("plain_text"), text=text(3000), emoji={"type": "boolean"}
)
SLACK_BLOCK = {
    "oneOf": [
        only(
            ["type", "text"],
            type=one_of("header"),
            text=only(
                ["type", "text"],
                type=one_of("plain_text"),
                text=text(150),
                emoji={"type": "boolean"},
            ),
        ),
        only(
            ["type", "text"],
            type=one_of("section"),
            text={
                "oneOf": [
                    SLACK_PLAIN,
                    only(["type", "text"], type=one_of("mrkdwn"), text=text(3000)),
                ]
            },
        ),
    ]
}
RUN = only(
    ["type", "text"],
    type=one_of("TextRun"),
    text=text(10**6),
    weight=one_of("lighter", "default", "bolder"),
    size=one_of("small", "default", "medium", "large", "extraLarge"),
    color=one_of("default", "dark", "light", "accent", "good", "warning", "attention"),
)
CARD = only(
    ["type", "version", "body"],
    type=one_of("AdaptiveCard"),
    version=one_of("1.2", "1.3", "1.4"),
    body={
        "type": "array",
        "items": only(
            ["type", "inlines"],
            type=one_of("RichTextBlock"),
            inlines={"type": "array", "items": RUN},
        ),
    },
    actions={
        "type": "array",
        "items": only(
            ["type", "url"], type=one_of("Action.OpenUrl"), title=text(100), url=text(2000)
        ),
    },
)
CARD["properties"]["$schema"] = one_of("http://adaptivecards.io/schemas/adaptive-card.json")
DOCUMENTED: dict[str, Any] = {
    "ntfy": only(
        ["topic"],
        topic={"type": "string", "pattern": "^[-_A-Za-z0-9]{1,64}$"},
        title=text(1000),
        message=text(4096),
        priority={"type": "integer", "minimum": 1, "maximum": 5},
        tags={"type": "array", "items": text(60)},
        click=text(2000),
    ),
    "slack": only(
        ["text"],
        text=text(40000),
        blocks={"type": "array", "maxItems": 50, "items": SLACK_BLOCK},
    ),
    "teams": only(
        ["type", "attachments"],
        type=one_of("message"),
        attachments={
            "type": "array",
            "minItems": 1,
            "items": only(
                ["contentType", "content"],
                contentType=one_of("application/vnd.microsoft.card.adaptive"),
                contentUrl={"type": "null"},
                content=CARD,
            ),
        },
    ),
    "pagerduty": only(
        ["routing_key", "event_action", "payload"],
        routing_key={"type": "string", "minLength": 32, "maxLength": 32},
        event_action=one_of("trigger", "acknowledge", "resolve"),
        dedup_key=text(255),
        client=text(255),
        client_url=text(2000),
        payload=only(
            ["summary", "source", "severity"],
            summary=text(1024),
            source=text(255),
            severity=one_of("critical", "warning", "error", "info"),
            timestamp={"type": "string", "format": "date-time"},
            component=text(255),
            group=text(255),
            custom_details={"type": "object"},
        ),
    ),
}
ANSWERS = {
    "plain": (200, b""),
    "ntfy": (
        200,
        b'{"id":"sPs71M8A2T","time":1643935928,"event":"message","topic":"alarms"}',
    ),
    "slack": (200, b"ok"),
    "teams": (202, b""),
    "pagerduty": (202, b'{"status":"success","message":"Event processed","dedup_key":"x"}'),
}


# -- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", DOCUMENTED)
@given(
    state=st.sampled_from(sorted(set(STATE_OF_KIND.values()))),
    words=st.text(min_size=1, max_size=6000) | st.just(HOSTILE),
    link=st.none() | st.just("https://plant.example/#/point/a%2Fb"),
    advice=st.none()
    | st.just({"title": "Loose", "check": ["The bolts."], "do": ["Tighten them."]}),
)
def test_whatever_is_told_the_body_is_as_documented(
    template: str, state: str, words: str, link: str | None, advice: dict[str, Any] | None
) -> None:
    notice = {
        "instance": "plant-1",
        "machine": words[:200],
        "point": "spindle",
        "event_id": 7,
        "model_id": "5e3a",
        "state": state,
        "at": "2026-11-27T14:00:00.000Z",
        "title": f"Alarm: {words}",
        "text": f"Alarm at {words}",
        "n_held": 0,
        "link": link,
        "advice": advice,
    }
    body = BODIES[template](notice, "https://ntfy.example/alarms", ROUTING_KEY)
    Draft202012Validator(DOCUMENTED[template]).validate(body)
    is_short = len(words) < 100
    if advice is not None and is_short:
        assert "Tighten them." in str(body)


def test_no_name_calls_a_channel_or_makes_a_link() -> None:
    notice = {"title": HOSTILE, "text": HOSTILE, "link": None, "state": "raised"}
    body = BODIES["slack"](notice, "", "")
    assert "<!channel>" not in body["text"]
    assert {block["text"]["type"] for block in body["blocks"]} == {"plain_text"}
    (attachment,) = BODIES["teams"](notice, "", "")["attachments"]
    assert {block["type"] for block in attachment["content"]["body"]} == {"RichTextBlock"}


@given(st.text(max_size=300), st.text(max_size=300))
def test_two_points_are_two_incidents(one: str, other: str) -> None:
    keys = {
        BODIES["pagerduty"](
            {
                "state": "raised",
                "text": "t",
                "at": "t",
                "instance": "i",
                "event_id": 1,
                "model_id": "",
                "machine": machine,
                "point": "p",
                "link": None,
            },
            "",
            ROUTING_KEY,
        )["dedup_key"]
        for machine in (one, other)
    }
    assert len(keys) == len({one, other})


# -- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as found:
        yield found


def plant_of(
    folder: Path,
    receiver: HttpReceiver,
    template: str = "plain",
    timeout_s: float = 10.0,
    **more: Any,
) -> AlarmPlant:
    (folder / "key").write_text(ROUTING_KEY + "\n")
    key = Secret(file=folder / "key") if template == "pagerduty" else None
    settings = WebhookSettings(
        name="chat",
        url=f"{receiver.address}/alarms",
        template=template,
        routing_key=key,
        timeout_s=timeout_s,
    )
    return AlarmPlant(
        folder / "journal",
        cursor_name(settings),
        lambda cursor: Webhook(settings, cursor, NoticeRules("plant-1", 0.0, **more)),
    )


@pytest.mark.parametrize("template", ANSWERS)
def test_each_receiver_hears_of_an_alarms_whole_life(
    template: str, tmp_path: Path, receiver: HttpReceiver
) -> None:
    receiver.status, receiver.says = ANSWERS[template]
    plant = plant_of(
        tmp_path, receiver, template, page_url="https://plant.example/camshaft/"
    )
    plant.happen("alarm_raised")
    plant.run()
    plant.acknowledge()
    plant.happen("alarm_cleared")
    plant.run()
    assert plant.runner.trouble == ""
    assert plant.cursor.counts() == (3, 0)
    plant.close()
    if template in DOCUMENTED:
        for body in receiver.got:
            Draft202012Validator(DOCUMENTED[template]).validate(body)
    assert set(receiver.paths) == {"/" if template == "ntfy" else "/alarms"}
    assert "https://plant.example/camshaft/#/point/mill%202%2Fspindle" in str(
        receiver.got[0]
    )
    if template == "pagerduty":
        actions = [body["event_action"] for body in receiver.got]
        assert actions == ["trigger", "acknowledge", "resolve"]
        assert len({body["dedup_key"] for body in receiver.got}) == 1


@pytest.mark.parametrize("template", ["ntfy", "slack", "teams", "pagerduty"])
def test_who_answers_200_to_everything_is_not_believed(
    template: str, tmp_path: Path, receiver: HttpReceiver
) -> None:
    """A login page of the network, say. The notice waits, and arrives once it is over."""
    receiver.says = b"<html><body>Please log in to the guests' network</body></html>"
    plant = plant_of(tmp_path, receiver, template)
    plant.happen("alarm_raised")
    plant.run(3.0)
    assert f"which is not what {template} says: is the URL right" in plant.runner.trouble
    assert plant.cursor.counts() == (0, 0)
    receiver.status, receiver.says = ANSWERS[template]
    plant.run(60.0)
    assert plant.cursor.counts() == (1, 0)
    plant.close()


@given(said=st.text(max_size=50))
def test_no_answer_is_taken_for_anothers(said: str) -> None:
    assert has_taken("slack", said) == (said.strip() == "ok")
    for template in ("ntfy", "pagerduty"):
        assert not has_taken(template, said)


def test_deep_answers_do_no_harm() -> None:
    assert not has_taken("ntfy", "[" * 100_000)


def label(plant: AlarmPlant, mode: str) -> None:
    """A person names the failure mode of the newest window."""
    plant.journal.commit(Batch(verdicts=[replace(make_verdict(1), sensor=SENSOR)]))
    store = LabelStore(plant.path)
    word = Label("NG confirmed", mode, "Ann")
    store.add(LabelRequest(word, round(plant.now_s * 1e9) + 1, sensor=SENSOR))
    store.close()


@pytest.mark.parametrize("template", ANSWERS)
def test_everybody_is_told_what_to_do_by_what_is_named(
    template: str, tmp_path: Path, receiver: HttpReceiver
) -> None:
    """At first by the alarm's text, then by the diagnosis, then by what a person says it is."""
    receiver.status, receiver.says = ANSWERS[template]
    own = AdviceSettings(check=("The impeller.",), do=("Call the pump's maker.",))
    book = advice_book({"cavitation": own})
    plant = plant_of(tmp_path, receiver, template, remind_s=600.0, advice=book)
    plant.happen("alarm_raised")
    plant.run()
    plant.happen("diagnosed", text="part not named: too few lines")
    plant.run()
    plant.now_s += 1
    plant.happen("diagnosed", text="outer race, drive end: 4 lines at BPFO")
    plant.run()
    plant.run(650.0)
    label(plant, "cavitation")
    plant.run(600.0)
    plant.happen("alarm_cleared")
    plant.run()
    plant.close()
    outer = "Grease once; if the lines stay"
    wanted = ["Write down what was found", "", outer, outer, "The impeller.", ""]
    every = {words for words in wanted if words}
    assert len(receiver.got) == len(wanted)
    for body, words in zip(receiver.got, wanted, strict=True):
        assert {one for one in every if one in str(body)} == ({words} if words else set())


def test_a_receiver_that_never_answers_is_left_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        plant = plant_of(tmp_path, HttpReceiver(address), timeout_s=0.3)
        plant.happen("alarm_raised")
        plant.run()
        assert "gave no answer" in plant.runner.trouble
        assert plant.cursor.counts() == (0, 0)
        plant.close()


# -- reminders ------------------------------------------------------------------------------------


def titles(receiver: HttpReceiver) -> list[str]:
    return [body["title"] for body in receiver.got]


def test_an_alarm_is_told_again_until_it_is_acknowledged(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    plant = plant_of(tmp_path, receiver, remind_s=600.0)
    plant.happen("alarm_raised")
    plant.run(599.0)
    assert titles(receiver) == [f"Alarm: {SENSOR}"]
    plant.run(2000.0)
    again = f"Not acknowledged yet: Alarm: {SENSOR}"
    assert titles(receiver)[1:] == [again] * 4 or titles(receiver)[1:] == [again] * 3
    n_told = len(receiver.got)
    plant.restart()
    plant.run(300.0)
    plant.restart()  # what was told is remembered
    plant.run(400.0)
    assert len(receiver.got) == n_told + 1
    plant.acknowledge()
    plant.run(3000.0)
    assert titles(receiver)[n_told + 1 :] == [f"Alarm acknowledged: {SENSOR}"]
    plant.close()


def test_what_has_cleared_is_not_told_again(tmp_path: Path, receiver: HttpReceiver) -> None:
    plant = plant_of(tmp_path, receiver, remind_s=600.0)
    plant.happen("alarm_raised")
    plant.run()
    plant.happen("alarm_cleared")
    plant.run(3000.0)
    assert titles(receiver) == [f"Alarm: {SENSOR}", f"Alarm cleared: {SENSOR}"]
    plant.close()


def test_a_muted_point_is_not_reminded_of(tmp_path: Path, receiver: HttpReceiver) -> None:
    plant = plant_of(tmp_path, receiver, remind_s=600.0)
    plant.happen("alarm_raised")
    plant.run()
    now_ns = round(plant.now_s * 1e9)
    store = MuteStore(plant.path)
    store.mute(
        Mute(SENSOR, now_ns, now_ns + 3600 * 10**9, "Ann", "bearing ordered"), "then"
    )
    store.close()
    plant.run(3500.0)
    assert len(receiver.got) == 1
    plant.run(300.0)
    assert titles(receiver)[1:] == [f"Not acknowledged yet: Alarm: {SENSOR}"]
    plant.close()


def test_without_the_setting_nothing_is_told_twice(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    plant = plant_of(tmp_path, receiver)
    plant.happen("alarm_raised")
    plant.run(3600.0)
    assert len(receiver.got) == 1
    plant.close()


def test_a_reminder_that_does_not_arrive_is_tried_again(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    plant = plant_of(tmp_path, receiver, remind_s=600.0)
    plant.happen("alarm_raised")
    plant.run()
    receiver.status = 503
    plant.run(700.0)
    assert receiver.n_asked > 2
    assert len(receiver.got) == 1
    receiver.status = 200
    plant.run(100.0)
    assert len(receiver.got) == 2
    plant.close()


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"template": "pagerduty"}, "routing_key and template = pagerduty belong together"),
        (
            {"routing_key": {"env": "KEY"}},
            "routing_key and template = pagerduty belong together",
        ),
        (
            {"template": "ntfy", "url": "https://ntfy.example/"},
            "url must end in the topic alone",
        ),
        (
            {"template": "irc"},
            "Input should be 'plain', 'ntfy', 'slack', 'teams' or 'pagerduty'",
        ),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WebhookSettings.model_validate(
            {"name": "a", "url": "https://x.example/y", **settings}
        )
