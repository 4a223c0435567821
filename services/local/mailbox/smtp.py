"""The SMTP door: a letter is confirmed when it is durable, never earlier."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.local.mailbox import letters
from services.local.mailbox.records import Records

_LARGEST = 25 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """What aiosmtpd calls with every message."""

    records: Records
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message, then say so."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        letter = letters.read(content, recipients=envelope.rcpt_tos, letter_id=self.new_id(), at=self.clock())
        self.records.add(letter, envelope.rcpt_tos)
        return "250 OK"


async def listen(receiver: Receiver, *, port: int) -> asyncio.Server:
    """Accept mail on loopback."""

    def protocol() -> SMTP:
        return SMTP(receiver, data_size_limit=_LARGEST, enable_SMTPUTF8=True, ident="Sidecart mailbox")

    return await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
