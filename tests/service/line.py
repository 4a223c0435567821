"""A line to PostgreSQL that acknowledges whatever is sent and, when it is told to, swallows the answers."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Line:
    """`swallows_after`: statements, and the next connection that has sent them in this order hears no answer more."""

    url: str = ""
    swallows_after: list[bytes] = field(default_factory=list)
    swallowed: int = 0

    async def carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        deaf = asyncio.Event()
        try:
            await asyncio.gather(self._ask(reader, up_writer, deaf), self._answer(up_reader, writer, deaf))
        finally:
            for each in (writer, up_writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        said = b""
        while data := await reader.read(65536):
            said += data
            if self.swallows_after and re.search(b".*".join(self.swallows_after), said, re.DOTALL):
                self.swallows_after = []
                deaf.set()
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        while data := await reader.read(65536):
            if deaf.is_set():
                self.swallowed += len(data)
            else:
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    """A line to the database at an address, with an address of its own."""
    port = urlsplit(url).port or 5432
    line, carrying = Line(), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying.add(asyncio.create_task(line.carry(port, reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        line.url = url.replace(f":{port}/", f":{server.sockets[0].getsockname()[1]}/")
        yield line
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
