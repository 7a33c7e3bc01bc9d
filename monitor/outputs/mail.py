"""Notices of alarms as e-mail, tried until the mail server has them.

A mail that the server refuses for what it holds (5xx to the data) is rejected;
anything else waits in the journal. People whom the server does not know are
named, while the others get theirs.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from monitor.config_connections import TlsSettings
from monitor.config_outputs import MailSettings
from monitor.outputs.notices import Answer, Known, NoticeRules, Notices
from monitor.settings import ConfigError
from monitor.text import printable
from monitor.tls import client_context, explain

MAX_SUBJECT = 200


class Mail(Notices):
    """Sends notices by one server to some people."""

    def __init__(self, settings: MailSettings, known: Known, rules: NoticeRules) -> None:
        """Reads the secret, touches no network. Raises ConfigError."""
        super().__init__(cursor_name(settings), f"Mail {settings.name}", known, rules)
        self._settings = settings
        self._context = None
        if settings.security != "none":
            section = f"notifications.mails[{settings.name}].tls"
            self._context = client_context(settings.tls or TlsSettings(), section)
        self._password = "" if settings.password is None else settings.password.read()

    def _tell(self, tree: dict[str, Any]) -> Answer:
        message = mail(tree, self._settings)
        try:
            with self._connect() as link:
                refused = link.send_message(message)
        except smtplib.SMTPDataError as error:
            said = _said(error.smtp_code, error.smtp_error)
            return Answer(False, said, is_refused=error.smtp_code >= 500)
        except smtplib.SMTPRecipientsRefused as error:
            return Answer(False, f"takes it for nobody: {_whom(error)}")
        except smtplib.SMTPResponseException as error:
            return Answer(False, f"answered {_said(error.smtp_code, error.smtp_error)}")
        except (smtplib.SMTPException, OSError, ssl.SSLError) as error:
            return Answer(False, f"gave no answer: {printable(explain(error))}")
        left_out = ""
        if refused:
            names = ", ".join(refused)
            left_out = f"{self.title}: {names} did not get it; the server refuses them."
        return Answer(True, "", left_out=left_out)

    def _connect(self) -> smtplib.SMTP:
        """A link that is encrypted and logged in. Its host name in the greeting is this machine's
        without asking DNS, which may take long.
        """
        settings = self._settings
        where = (settings.host, settings.port, socket.gethostname())
        link: smtplib.SMTP
        if settings.security == "tls":
            link = smtplib.SMTP_SSL(
                *where, timeout=settings.timeout_s, context=self._context
            )
        else:
            link = smtplib.SMTP(*where, timeout=settings.timeout_s)
        try:
            if settings.security == "starttls":
                link.starttls(context=self._context)
            if settings.username is not None:
                link.login(settings.username, self._read_password())
        except BaseException:
            link.close()
            raise
        return link

    def _read_password(self) -> str:
        """Anew for each mail: its file may have been replaced."""
        if self._settings.password is not None:
            with suppress(ConfigError):  # the last one stays in use
                self._password = self._settings.password.read()
        return self._password


def mail(tree: dict[str, Any], settings: MailSettings) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = printable(str(tree["title"]), MAX_SUBJECT)
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers, please
    lines = [
        str(tree["text"]),
        "",
        f"Machine  {tree['machine']}",
        f"Point    {tree['point']}",
        f"Time     {tree['at']}",
        *([f"Page     {tree['link']}"] if tree["link"] else []),
        "",
        *_advice_lines(tree.get("advice")),
        f"Camshaft {tree['instance']}, event {tree['event_id']}",
    ]
    message.set_content("\n".join(lines))
    return message


def _advice_lines(advice: dict[str, Any] | None) -> list[str]:
    """What to check and what to do, each on a line of its own, and who says so."""
    if advice is None:
        return []
    lines = [f"What to do: {advice['title']}"]
    lines += [f"  Check  {text}" for text in advice["check"]]
    lines += [f"  Do     {text}" for text in advice["do"]]
    lines += [f"  Source {advice['source']}"] if advice["source"] else []
    return [*lines, ""]


def cursor_name(settings: MailSettings) -> str:
    return f"mail.{settings.name}"


def _said(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {printable(words)}"


def _whom(error: smtplib.SMTPRecipientsRefused) -> str:
    return ", ".join(f"{whom} ({_said(*said)})" for whom, said in error.recipients.items())
