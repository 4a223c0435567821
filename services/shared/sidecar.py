"""The Dapr sidecar as this process sees it: one pooled HTTP session for everything but gRPC."""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel

from services.shared import telemetry
from services.shared.errors import Unavailable

PUBSUB = "events"
SECRETS = "secrets"
STATE = "state"

ANSWER_SECONDS = 5.0
PUBLISH_SECONDS = 3.0
_TRIES = 3

Answer = TypeVar("Answer", bound=BaseModel)


class SidecarAway(Unavailable):
    """Another service that this needs is away for the moment; try again."""

    slug = "service-unavailable"


class BatchRefused(Exception):
    """A batch was refused as a whole: it may be the fault of a single letter in it."""


class CallRefused(Exception):
    """Another service refused; `slug` and `problem` are its problem document's."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Keep what it said."""
        super().__init__(f"{status} {problem.get('type', '')}")
        self.status = status
        self.slug = str(problem.get("type", ""))
        self.problem = dict(problem)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What the relay hands to the broker: a complete CloudEvent as JSON, and where it goes."""

    entry_id: str
    partition_key: str
    cloud_event: bytes


@dataclass(frozen=True, kw_only=True)
class StateItem:
    """A value in the state store and the ETag to guard its next write; both None when there is none."""

    value: Any
    etag: str | None


class Sidecar:
    """Calls, publishing, state, secrets and bindings through the sidecar's HTTP API."""

    def __init__(self, *, http_port: int, grpc_port: int, api_token: str, host: str = "127.0.0.1") -> None:
        """Prepare; the session opens in `open`."""
        self.grpc_target = f"{host}:{grpc_port}"
        self.api_token = api_token
        self._base = f"http://{host}:{http_port}"
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session."""
        connector = aiohttp.TCPConnector(limit=256, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            self._base, headers={"dapr-api-token": self.api_token}, connector=connector, auto_decompress=False
        )

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pooled session, for the gateway's own forwarding."""
        if self._session is None:
            message = "the sidecar's session is not open"
            raise RuntimeError(message)
        return self._session

    async def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait for the sidecar and its components.

        :raises TimeoutError: it did not come up.
        """
        async with asyncio.timeout(seconds):
            while not await self.is_ready():  # noqa: ASYNC110 - another process's readiness raises no event here
                await asyncio.sleep(0.05)

    async def is_ready(self) -> bool:
        """Whether the sidecar and its components are up (regardless of this application)."""
        try:
            async with self.session.get("/v1.0/healthz/outbound", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def call(  # noqa: PLR0913 - an invocation has that many parts
        self,
        app_id: str,
        method: str,
        path: str,
        answer: type[Answer],
        *,
        body: BaseModel | None = None,
        token: str | None = None,
        seconds: float = ANSWER_SECONDS,
        repeatable: bool = True,
    ) -> Answer:
        """Ask another service and parse its answer.

        :param token: the user's access token, when the call is made for a user.
        :param repeatable: reads and commands with an identity are tried again when the network fails.
        :raises CallRefused: the service answered with a refusal.
        :raises SidecarAway: no answer came.
        """
        tries = _TRIES if repeatable else 1
        for attempt in range(1, tries + 1):
            try:
                return answer.model_validate_json(await self._once(app_id, method, path, body, token, seconds))
            except SidecarAway:
                if attempt == tries:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**attempt)  # noqa: S311 - jitter, not a secret
        raise SidecarAway

    async def _once(
        self, app_id: str, method: str, path: str, body: BaseModel | None, token: str | None, seconds: float
    ) -> bytes:
        headers = telemetry.outgoing({"dapr-app-id": app_id, "content-type": "application/json"})
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = body.model_dump_json().encode() if body is not None else b""
        status, content = await self._send(method, path, headers, data, seconds)
        if status >= 500 or status == 429:  # noqa: PLR2004 - the callee or its sidecar could not answer
            raise SidecarAway
        if status >= 400:  # noqa: PLR2004 - a refusal
            raise CallRefused(status, _problem(content))
        if not content:  # so sidecars answer for a service that dies while it answers
            raise SidecarAway
        return content

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], data: bytes, seconds: float
    ) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self.session.request(method, path, headers=headers, data=data, timeout=timeout) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SidecarAway from error

    async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
        """Publish in bulk; answers the entry ids that the broker has.

        A success covers all; an error covers the complement of a non-empty `failedEntries`, which names all of them
        when the broker is away.

        :raises BatchRefused: an error that names no entries.
        :raises SidecarAway: no answer came in time; the broker may have them or not.
        """
        body = b"[%b]" % b",".join(map(_entry, letters))
        headers = {"content-type": "application/json"}
        sent = {letter.entry_id for letter in letters}
        timeout = aiohttp.ClientTimeout(total=PUBLISH_SECONDS)
        try:
            path = f"/v1.0/publish/bulk/{PUBSUB}/{topic}"
            async with self.session.post(path, data=body, headers=headers, timeout=timeout) as answer:
                if answer.ok:
                    return sent
                failed = {entry["entryId"] for entry in _problem(await answer.read()).get("failedEntries") or ()}
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SidecarAway from error
        if not failed:
            raise BatchRefused
        return sent - failed

    async def secrets(self) -> dict[str, str]:
        """Every secret that this application may read."""
        _, content = await self._expect("GET", f"/v1.0/secrets/{SECRETS}/bulk")
        return {name: next(iter(values.values())) for name, values in json.loads(content).items()}

    async def load_state(self, key: str) -> StateItem:
        """A value of the state store."""
        headers, content = await self._expect("GET", f"/v1.0/state/{STATE}/{key}")
        return StateItem(value=json.loads(content) if content else None, etag=headers.get("Etag"))

    async def save_state(self, key: str, value: Any, *, etag: str | None, seconds_to_live: int) -> bool:  # noqa: ANN401 - any JSON
        """Write a value guarded by the ETag it was read with (None: it must not exist); False when it has changed."""
        item = {"key": key, "value": value, "metadata": {"ttlInSeconds": str(seconds_to_live)}}
        item |= {"etag": etag or "0", "options": {"concurrency": "first-write", "consistency": "strong"}}
        data = json.dumps([item]).encode()
        status, content = await self._send(
            "POST", f"/v1.0/state/{STATE}", {"content-type": "application/json"}, data, ANSWER_SECONDS
        )
        if status == 409 or b"etag mismatch" in content.lower():  # noqa: PLR2004 - first write won
            return False
        if status >= 400:  # noqa: PLR2004 - not written
            raise SidecarAway
        return True

    async def invoke_binding(self, name: str, operation: str, data: str, metadata: Mapping[str, str]) -> None:
        """Hand something to an output binding.

        :raises SidecarAway: it was not taken.
        """
        body = json.dumps({"operation": operation, "data": data, "metadata": dict(metadata)}).encode()
        await self._expect("POST", f"/v1.0/bindings/{name}", body)

    async def _expect(self, method: str, path: str, data: bytes = b"") -> tuple[Mapping[str, str], bytes]:
        headers = {"content-type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with self.session.request(method, path, headers=headers, data=data, timeout=timeout) as answer:
                content = await answer.read()
                if not answer.ok:
                    raise SidecarAway
                return answer.headers, content
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SidecarAway from error


def _entry(letter: Letter) -> bytes:
    about = {
        "entryId": letter.entry_id,
        "contentType": "application/cloudevents+json",
        "metadata": {"partitionKey": letter.partition_key},
    }
    return b'%b, "event": %b}' % (json.dumps(about)[:-1].encode(), letter.cloud_event)


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
