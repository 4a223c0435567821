"""A sidecar for tests: other services answer from a table, state and published letters stay in memory.

It is put through the same suite as the real one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from services.shared.sidecar import Answer, CallRefused, Letter, Sidecar, SidecarAway, StateItem

Reply = Callable[[BaseModel | None], BaseModel]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that was made."""

    app_id: str
    method: str
    path: str
    body: BaseModel | None
    token: str | None
    repeatable: bool


@dataclass
class Mail:
    """What was handed to a binding."""

    binding: str
    operation: str
    data: str
    metadata: dict[str, str]


@dataclass
class _Memory:
    replies: dict[tuple[str, str, str], Reply | Exception] = field(default_factory=dict)
    state: dict[str, tuple[Any, int]] = field(default_factory=dict)


class SidecarDouble(Sidecar):
    """Answers what it was told to; whoever was not told about is away."""

    def __init__(self) -> None:
        """Without any other service."""
        super().__init__(http_port=0, grpc_port=0, api_token="")
        self._memory = _Memory()
        self.calls: list[Call] = []
        self.published: list[tuple[str, Letter]] = []
        self.mails: list[Mail] = []
        self.is_away = False

    def reply(self, app_id: str, method: str, path: str, reply: Reply | Exception) -> None:
        """Answer calls to this path with what `reply` makes of the body, or refuse with an exception."""
        self._memory.replies[app_id, method, path] = reply

    async def is_ready(self) -> bool:
        """Unless it is said to be away."""
        return not self.is_away

    async def call(  # noqa: PLR0913 - the real one's signature
        self,
        app_id: str,
        method: str,
        path: str,
        answer: type[Answer],
        *,
        body: BaseModel | None = None,
        token: str | None = None,
        seconds: float = 0,  # noqa: ARG002 - the real one's signature
        repeatable: bool = True,
    ) -> Answer:
        """Answer from the table."""
        call = Call(app_id=app_id, method=method, path=path, body=body, token=token, repeatable=repeatable)
        self.calls.append(call)
        found = self._memory.replies.get((app_id, method, path), SidecarAway())
        if self.is_away or isinstance(found, Exception):
            raise found if isinstance(found, Exception) else SidecarAway
        return answer.model_validate_json(found(body).model_dump_json())

    async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
        """Keep the letters."""
        if self.is_away:
            raise SidecarAway
        self.published += [(topic, letter) for letter in letters]
        return {letter.entry_id for letter in letters}

    async def load_state(self, key: str) -> StateItem:
        """From memory."""
        if self.is_away:
            raise SidecarAway
        value, version = self._memory.state.get(key, (None, 0))
        return StateItem(value=value, etag=str(version) if version else None)

    async def save_state(self, key: str, value: Any, *, etag: str | None, seconds_to_live: int) -> bool:  # noqa: ANN401, ARG002 - the real one's signature
        """In memory, first write wins."""
        if self.is_away:
            raise SidecarAway
        _, version = self._memory.state.get(key, (None, 0))
        if str(version) != (etag or "0"):
            return False
        self._memory.state[key] = (value, version + 1)
        return True

    async def invoke_binding(self, name: str, operation: str, data: str, metadata: Mapping[str, str]) -> None:
        """Keep what was handed over."""
        if self.is_away:
            raise SidecarAway
        self.mails.append(Mail(name, operation, data, dict(metadata)))


def refused(status: int, slug: str, **members: object) -> CallRefused:
    """The refusal of another service."""
    return CallRefused(status, {"type": slug, "status": status, **members})
