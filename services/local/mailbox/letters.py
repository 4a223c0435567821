"""What arrives by SMTP, read into what a person wants to see."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

_BREAKS = {"br", "p", "div", "tr", "li", "h1", "h2", "h3", "table", "ul", "ol"}
_UNSEEN = {"style", "script", "head", "title"}


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message as it was received; `at` is the moment of that, in RFC 3339."""

    id: str
    channel: str = "email"
    to: str
    subject: str
    text: str
    html: str | None
    at: str

    def as_json(self) -> dict[str, Any]:
        """The form that is answered."""
        return asdict(self)


def read(content: bytes, *, recipients: Sequence[str], letter_id: str, at: datetime) -> Letter:
    """Parse a MIME message; who only sends HTML gets its words as text too."""
    message = message_from_bytes(content, policy=policy.default)
    html = _part(message, "html")
    text = _part(message, "plain")
    return Letter(
        id=letter_id,
        to=", ".join(recipients),
        subject=str(message.get("Subject", "")),
        text=text if text is not None else words(html or ""),
        html=html,
        at=at.isoformat().replace("+00:00", "Z"),
    )


def _part(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body(preferencelist=(subtype,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    charset = part.get_content_charset("utf-8")
    try:
        return _decoded(payload, charset)
    except (LookupError, UnicodeDecodeError):
        return _decoded(payload, "latin-1")


def _decoded(payload: object, charset: str) -> str:
    return payload.decode(charset).replace("\r\n", "\n") if isinstance(payload, bytes) else str(payload)


def words(html: str) -> str:
    """The text of a page, one line per block."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.found).split("\n"))
    return "\n".join(line for line in lines if line)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in _UNSEEN
        if tag in _BREAKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _UNSEEN and self._hidden > 0
        if tag in _BREAKS:
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)
