"""A notice in the words of each receiver: the body that its documentation asks for, and what it
answers when it has taken it. Pure.

    ntfy       https://docs.ntfy.sh/publish/#publish-as-json
    slack      https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    teams      a workflow "When a Teams webhook request is received", with an Adaptive Card:
               https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/
    pagerduty  https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

Notice = Mapping[str, Any]
Tree = dict[str, Any]

MAX_NTFY_BYTES = 4000  # a longer one becomes an attachment at 4096
MAX_SLACK_HEADER, MAX_SLACK_TEXT = 150, 3000
MAX_PAGERDUTY_SUMMARY, MAX_DEDUP_KEY = 1024, 255

CARD_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
NTFY_TAGS = {
    "raised": "rotating_light",
    "diagnosed": "mag",
    "acknowledged": "eyes",
    "cleared": "white_check_mark",
}
CARD_COLORS = {
    "raised": "attention",
    "diagnosed": "attention",
    "acknowledged": "accent",
    "cleared": "good",
}
PAGERDUTY_ACTIONS = {
    "raised": "trigger",
    "diagnosed": "trigger",  # of the same incident
    "acknowledged": "acknowledge",
    "cleared": "resolve",
}
PAGERDUTY_SEVERITIES = {"raised": "error", "diagnosed": "error"}


def whole_text(notice: Notice) -> str:
    """What happened, and what to check and do where that is known."""
    lines = [str(notice["text"])]
    advice = notice.get("advice")
    if advice:
        lines.append(f"What to do: {advice['title']}")
        lines += [f"Check: {text}" for text in advice["check"]]
        lines += [f"Do: {text}" for text in advice["do"]]
    return "\n".join(lines)


def plain(notice: Notice, _url: str, _key: str) -> Tree:
    return dict(notice)


def ntfy(notice: Notice, url: str, _key: str) -> Tree:
    """The topic is the last part of the URL; address() takes it off."""
    text = whole_text(notice).encode()[:MAX_NTFY_BYTES].decode("utf-8", "ignore")
    tree = {
        "topic": _topic(url),
        "title": notice["title"],
        "message": text,
        "priority": 4 if notice["state"] == "raised" else 3,
        "tags": [NTFY_TAGS[notice["state"]]],
    }
    return tree | ({"click": notice["link"]} if notice["link"] else {})


def slack(notice: Notice, _url: str, _key: str) -> Tree:
    """Names are plain text: nobody can write <!channel> into one."""
    blocks = [
        {"type": "header", "text": _slack_text(notice["title"], MAX_SLACK_HEADER)},
        {"type": "section", "text": _slack_text(whole_text(notice), MAX_SLACK_TEXT)},
    ]
    if notice["link"]:
        link = {"type": "mrkdwn", "text": f"<{notice['link']}|Open the page>"}
        blocks.append({"type": "section", "text": link})
    return {"text": _escaped(str(notice["text"])[:MAX_SLACK_TEXT]), "blocks": blocks}


def _slack_text(text: str, limit: int) -> Tree:
    return {"type": "plain_text", "text": text[:limit], "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams(notice: Notice, _url: str, _key: str) -> Tree:
    """Rich text, for a TextBlock would read Markdown into names."""
    title = {
        "type": "TextRun",
        "text": notice["title"],
        "weight": "bolder",
        "size": "large",
    }
    card: Tree = {
        "$schema": CARD_SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _rich(title | {"color": CARD_COLORS[notice["state"]]}),
            *(
                _rich({"type": "TextRun", "text": line})
                for line in whole_text(notice).splitlines()
                if line
            ),
        ],
    }
    if notice["link"]:
        open_page = {
            "type": "Action.OpenUrl",
            "title": "Open the page",
            "url": notice["link"],
        }
        card["actions"] = [open_page]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _rich(run: Tree) -> Tree:
    return {"type": "RichTextBlock", "inlines": [run]}


def pagerduty(notice: Notice, _url: str, key: str) -> Tree:
    """One incident a point: acknowledged and resolved under the same key."""
    tree: Tree = {
        "routing_key": key,
        "event_action": PAGERDUTY_ACTIONS[notice["state"]],
        "dedup_key": _dedup_key(notice),
        "payload": {
            "summary": str(notice["text"])[:MAX_PAGERDUTY_SUMMARY],
            "source": notice["instance"],
            "severity": PAGERDUTY_SEVERITIES.get(notice["state"], "info"),
            "timestamp": notice["at"],
            "component": f"{notice['machine']}/{notice['point']}",
            "group": notice["machine"],
            "custom_details": {
                "event_id": notice["event_id"],
                "model_id": notice["model_id"],
                "advice": notice.get("advice"),
            },
        },
        "client": "Camshaft",
    }
    return tree | ({"client_url": notice["link"]} if notice["link"] else {})


def _dedup_key(notice: Notice) -> str:
    key = "/".join(("camshaft", notice["instance"], notice["machine"], notice["point"]))
    if len(key) <= MAX_DEDUP_KEY:
        return key
    return f"camshaft/{sha256(key.encode()).hexdigest()}"


BODIES: dict[str, Callable[[Notice, str, str], Tree]] = {
    "plain": plain,
    "ntfy": ntfy,
    "slack": slack,
    "teams": teams,
    "pagerduty": pagerduty,
}


def address(template: str, url: str) -> str:
    """Where the body goes: ntfy takes JSON at its root."""
    if template != "ntfy":
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _topic(url: str) -> str:
    return urlsplit(url).path.strip("/")


def has_taken(template: str, said: str) -> bool:
    """Whether the text of a 2xx answer is this receiver's. A portal, a proxy or another program
    says 200 to everything. A workflow of Teams says nothing at all, and
    anything goes for `plain`.
    """
    if template == "slack":
        return said.strip() == "ok"
    if template == "teams":
        return not said.lstrip().startswith("<")
    if template == "plain":
        return True
    with suppress(ValueError, RecursionError):
        tree = json.loads(said)
        if isinstance(tree, dict):
            return "id" in tree if template == "ntfy" else tree.get("status") == "success"
    return False
