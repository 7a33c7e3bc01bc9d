"""Notices as e-mail, over a real mail server: encrypted, logged in, refused, slow."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from monitor.advice import advice_book
from monitor.config_outputs import MailSettings
from monitor.outputs.mail import Mail, cursor_name, mail
from monitor.outputs.notices import NoticeRules
from tests.outputs.alarm_plant import AlarmPlant
from tests.servers.certificates import TestAuthority

PASSWORD = "correct horse"
# aiosmtpd warns of a login without STARTTLS, though all is encrypted from the first byte.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@dataclass
class Post:
    """What the server has got, and how it answers."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    people: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    data_answer: str = "250 OK"

    async def handle_RCPT(
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: Any,
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.data_answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            found = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(found, EmailMessage)
            self.mails.append(found)
            self.people.append(envelope.rcpt_tos)
            assert server.transport is not None
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return self.data_answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    found = TestAuthority(tmp_path_factory.mktemp("authority"))
    found.issue("mail")
    return found


def context_of(authority: TestAuthority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = authority.ca_file.parent
    context.load_cert_chain(folder / "mail.pem", folder / "mail.key")
    return context


@contextmanager
def server(authority: TestAuthority, how: str = "starttls") -> Iterator[Post]:
    """how : the server's encryption; a login is asked for where there is some"""
    post = Post()

    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        is_right = (data.login, data.password) == (b"camshaft", PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    options: dict[str, Any] = {"hostname": "mail.test", "loop": asyncio.new_event_loop()}
    if how == "starttls":
        options |= {"tls_context": context_of(authority), "require_starttls": True}
    if how == "tls":
        options |= {"auth_require_tls": False}
    if how != "none":
        options |= {"authenticator": authenticate, "auth_required": True}
    loop = options["loop"]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen() -> asyncio.Server:
        encrypted = context_of(authority) if how == "tls" else None
        return await loop.create_server(  # type: ignore[no-any-return]
            lambda: SMTP(post, **options), "127.0.0.1", 0, ssl=encrypted
        )

    async def end() -> None:
        listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    listening = asyncio.run_coroutine_threadsafe(listen(), loop).result(5)
    post.port = listening.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def settings(
    folder: Path, port: int, authority: TestAuthority, **changes: Any
) -> MailSettings:
    (folder / "password").write_text(PASSWORD + "\n")
    tree: dict[str, Any] = {
        "name": "team",
        "host": "127.0.0.1",
        "port": port,
        "username": "camshaft",
        "password": {"file": folder / "password"},
        "sender": "camshaft@plant.example",
        "to": ["ann@plant.example", "bob@plant.example"],
        "tls": {"ca_file": authority.ca_file},
        "timeout_s": 2.0,
    }
    tree |= changes
    return MailSettings.model_validate({k: v for k, v in tree.items() if v is not None})


def plant_of(folder: Path, found: MailSettings, **more: Any) -> AlarmPlant:
    return AlarmPlant(
        folder / "journal",
        cursor_name(found),
        lambda cursor: Mail(found, cursor, NoticeRules("plant-1", 0.0, **more)),
    )


@pytest.mark.parametrize("how", ["starttls", "tls", "none"])
def test_a_mail_arrives_whole(how: str, tmp_path: Path, authority: TestAuthority) -> None:
    no_login = {"username": None, "password": None, "tls": None} if how == "none" else {}
    with server(authority, how) as post:
        found = settings(tmp_path, post.port, authority, security=how, **no_login)
        plant = plant_of(tmp_path, found, page_url="https://plant.example")
        plant.happen(
            "alarm_raised", sensor="mühle 2/spindle", text="network, 3.1 to 3.6 kHz"
        )
        plant.run()
        assert plant.runner.trouble == ""
        plant.close()
    (got,) = post.mails
    assert got["Subject"] == "Alarm: mühle 2/spindle"
    assert (got["From"], got["To"]) == (
        "camshaft@plant.example",
        "ann@plant.example, bob@plant.example",
    )
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Message-ID"].endswith("@plant.example>")
    body = got.get_content()
    assert "Alarm at mühle 2/spindle: network, 3.1 to 3.6 kHz" in body
    assert "https://plant.example/#/point/m%C3%BChle%202%2Fspindle" in body
    assert post.people == [["ann@plant.example", "bob@plant.example"]]
    assert post.encrypted == [how != "none"]


def test_a_mail_says_what_to_do_once(tmp_path: Path, authority: TestAuthority) -> None:
    with server(authority) as post:
        found = settings(tmp_path, post.port, authority)
        plant = plant_of(tmp_path, found, advice=advice_book({}))
        plant.happen("alarm_raised", text="network; outer race, drive end")
        plant.happen("alarm_cleared", text="OK")
        plant.run()
        plant.close()
    raised, cleared = (one.get_content() for one in post.mails)
    for line in (
        "What to do: Outer race of a rolling bearing",
        "  Check  Temperature and noise of this bearing's housing.",
        "  Do     Grease once; if the lines stay, order the bearing and plan its exchange.",
        "  Source ISO 13373-3:2015; ISO 15243:2017",
    ):
        assert raised.splitlines().count(line) == 1, raised
    assert raised.count("Grease once") == 1
    assert "What to do" not in cleared


def test_a_server_without_encryption_gets_no_password(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with server(authority, "none") as post:
        plant = plant_of(tmp_path, settings(tmp_path, post.port, authority))
        plant.happen("alarm_raised")
        plant.run()
        assert "STARTTLS extension not supported" in plant.runner.trouble
        assert post.mails == []
        plant.close()


def test_a_server_that_is_another_is_not_trusted(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with server(authority) as post:
        plant = plant_of(tmp_path, settings(tmp_path, post.port, authority, tls=None))
        plant.happen("alarm_raised")
        plant.run()
        assert (
            "comes from an authority that tls.ca_file does not hold" in plant.runner.trouble
        )
        assert post.mails == []
        plant.close()


def test_a_wrong_password_is_said_without_it_and_its_file_read_again(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with server(authority) as post:
        plant = plant_of(tmp_path, settings(tmp_path, post.port, authority))
        (tmp_path / "password").write_text("wrong horse")
        plant.happen("alarm_raised")
        plant.run()
        assert "Mail team answered 535" in plant.runner.trouble
        assert "horse" not in plant.runner.trouble
        (tmp_path / "password").write_text(PASSWORD)
        plant.run(5.0)
        assert len(post.mails) == 1
        plant.close()


def test_whom_the_server_does_not_know_is_named_and_the_others_get_it(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with server(authority) as post:
        post.unknown = ("bob@plant.example",)
        plant = plant_of(tmp_path, settings(tmp_path, post.port, authority))
        plant.happen("alarm_raised")
        plant.run()
        assert post.people == [["ann@plant.example"]]
        assert "bob@plant.example did not get it" in plant.runner.left_out
        post.unknown = ("ann@plant.example", "bob@plant.example")
        plant.happen("alarm_raised", sensor="fan 9/motor")
        plant.run()
        assert "takes it for nobody: ann@plant.example (550" in plant.runner.trouble
        post.unknown = ()
        plant.run(5.0)
        assert len(post.mails) == 2
        plant.close()


@pytest.mark.parametrize(
    ("answer", "counts"), [("554 5.7.1 Spam", (0, 1)), ("451 Later", (0, 0))]
)
def test_what_is_refused_for_good_blocks_nothing(
    answer: str, counts: tuple[int, int], tmp_path: Path, authority: TestAuthority
) -> None:
    with server(authority) as post:
        post.data_answer = answer
        plant = plant_of(tmp_path, settings(tmp_path, post.port, authority))
        plant.happen("alarm_raised")
        plant.run()
        assert plant.cursor.counts() == counts
        post.data_answer = "250 OK"
        plant.happen("alarm_raised", sensor="fan 9/motor")
        plant.run(5.0)
        assert len(post.mails) == 2 - counts[1]
        plant.close()


def test_a_server_that_is_not_there_is_waited_for(
    tmp_path: Path, authority: TestAuthority
) -> None:
    plant = plant_of(tmp_path, settings(tmp_path, 9, authority))
    plant.happen("alarm_raised")
    plant.run()
    assert "Mail team gave no answer: nothing listens there" in plant.runner.trouble
    plant.close()


def test_an_alarm_is_mailed_again_until_it_is_acknowledged(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with server(authority) as post:
        found = settings(tmp_path, post.port, authority)
        plant = plant_of(tmp_path, found, remind_s=3600.0)
        plant.happen("alarm_raised")
        plant.run(3700.0)
        plant.acknowledge()
        plant.run(7200.0)
        plant.close()
    subjects = [str(one["Subject"]).partition(":")[0] for one in post.mails]
    assert subjects == ["Alarm", "Not acknowledged yet", "Alarm acknowledged"]


def test_no_name_makes_a_header(tmp_path: Path, authority: TestAuthority) -> None:
    tree = {
        "title": "a\r\nBcc: evil@example.com",
        "text": "t",
        "machine": "m",
        "point": "p",
    }
    tree |= {"at": "t", "link": "", "instance": "i", "event_id": "1"}
    message = mail(tree, settings(tmp_path, 9, authority))
    assert "Bcc" not in message
    assert message["Subject"] == "a\\x0d\\x0aBcc: evil@example.com"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": None}, "username and password belong together"),
        ({"security": "none"}, "security = none would send the password as it is"),
        ({"to": []}, "at least 1 item"),
        ({"to": ["Ann <ann@plant.example>"]}, "should match pattern"),
        ({"sender": "a@b\nBcc: c@d"}, "should match pattern"),
    ],
)
def test_impossible_settings_are_refused(
    changes: dict[str, Any], said: str, tmp_path: Path, authority: TestAuthority
) -> None:
    with pytest.raises(ValueError, match=said):
        settings(tmp_path, 25, authority, **changes)
