"""Tell people that something is wrong, or well again: the log, a mail, a webhook."""

from __future__ import annotations

import email.message
import http.client
import json
import socket
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack

SECONDS = 10.0
KEPT = 50
"""So many alerts wait for a mail server or a webhook that does not answer."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One line for people, and what to do about it."""

    subject: str
    advice: str = ""

    @property
    def text(self) -> str:
        """Both, as the body of a mail."""
        return f"{self.subject}.\n" + (f"\n{self.advice}\n" if self.advice else "")


@dataclass
class Post:
    """Sends alerts; what cannot be delivered is kept and tried again."""

    log: Callable[[str], None]
    waiting: deque[tuple[str, Alert]] = field(
        default_factory=lambda: deque(maxlen=KEPT)
    )

    def send(self, stack: Stack, alert: Alert) -> None:
        """Write an alert to the log and send it wherever the options say."""
        self.log(f"alert: {printable(alert.subject)}")
        for way, _ in _ways(stack):
            self.waiting.append((way, alert))
        self.deliver(stack)

    def deliver(self, stack: Stack) -> list[str]:
        """Try what waits; return what went wrong."""
        ways = dict(_ways(stack))
        troubles = []
        for _ in range(len(self.waiting)):
            way, alert = self.waiting.popleft()
            if way not in ways:
                continue
            if trouble := ways[way](stack, alert):
                self.waiting.append((way, alert))
                troubles.append(f"{way} cannot be used: {printable(trouble)}")
        for trouble in sorted(set(troubles)):
            self.log(trouble)
        return troubles


def _ways(stack: Stack) -> Iterator[tuple[str, Callable[[Stack, Alert], str]]]:
    """Yield option and function of each way that is wanted."""
    if stack.watching.mail:
        yield "alert-mail", _mail
    if stack.watching.webhook:
        yield "alert-webhook", _webhook


def _mail(stack: Stack, alert: Alert) -> str:
    """Hand a mail to sendmail(8), which every mail system brings along."""
    program = run.find("sendmail")
    if program is None:
        return "there is no sendmail; install a mail system (on Debian: msmtp-mta)"
    message = email.message.EmailMessage()
    message["Subject"] = f"[{stack.name} on {socket.gethostname()}] {alert.subject}"
    message["To"] = ", ".join(stack.watching.mail)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no holiday answers
    message.set_content(alert.text)
    done = run.run(
        (program, "-i", *stack.watching.mail),
        text=message.as_string(),
        timeout=SECONDS,
    )
    return "" if done.ok else f"sendmail ended with status {done.status}. {done.text}"


def _webhook(stack: Stack, alert: Alert) -> str:
    """POST what people read as ``text``; the address itself is never shown."""
    values: dict[str, Any] = {
        "text": f"[{stack.name} on {socket.gethostname()}] {alert.text}".strip(),
        "stack": stack.name,
        "host": socket.gethostname(),
        "subject": alert.subject,
        "advice": alert.advice,
    }
    request = urllib.request.Request(  # noqa: S310 (the option takes http and https)
        stack.watching.webhook,
        data=json.dumps(values).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with _OPENER.open(request, timeout=SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answers {error.code}"
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return f"no answer ({type(reason).__name__})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect of a POST would lose its body, or carry it elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none: it is an error then."""
        return


_OPENER = urllib.request.build_opener(_NoRedirect)
