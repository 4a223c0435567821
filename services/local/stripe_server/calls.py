"""How a call is taken: the key, the idempotency rules, one transaction, and the faults that tests ask for.

https://docs.stripe.com/api/idempotent_requests
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from services.local.stripe_server import connections, expansion, forms, objects, refusals, signing
from services.local.stripe_server.clock import VirtualClock
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.faults import Fault, FaultKind, Faults, pause
from services.local.stripe_server.forms import Form
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.records import Answer, Records
from services.local.stripe_server.refusals import Executed, Unexecuted
from services.local.stripe_server.settings import Settings
from services.local.stripe_server.unreliability import Unreliability, Way

KEPT_FOR = 24 * 3600.0
"""Seconds after which Stripe may forget a key; the same key then executes again."""

LONGEST_KEY = 255

_BROKEN = frozenset({FaultKind.ERROR_500, FaultKind.ERROR_500_AFTER})

Operation = Callable[[Desk, Form], StripeObject]
Result = TypeVar("Result")


@dataclass(kw_only=True)
class Server:
    """What all calls share."""

    settings: Settings
    records: Records
    clock: VirtualClock
    faults: Faults = field(default_factory=Faults)
    way: Way = field(default_factory=lambda: Way(Unreliability()))
    running: set[str] = field(default_factory=set)
    owed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What signs events now."""
        return signing.valid(self.records, configured=self.settings.webhook_secret, now=self.clock())

    def desk(self, request: StripeObject | None = None) -> Desk:
        """A place to work at, now: for a request, or for what happens by itself."""
        return Desk(
            records=self.records,
            now=self.clock(),
            url=self.settings.url,
            change_after=self.settings.change_after,
            request=request or {"id": None, "idempotency_key": None},
        )

    def act(self, deed: Callable[[Desk], Result]) -> Result:
        """Do what no call asked for, in one transaction, and tell what came of it."""
        with self.records.transaction():
            result = deed(self.desk())
        self.owed.set()
        return result


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request: authorised, read, and ready to be run."""

    server: Server
    request: Request
    request_id: str
    key: str | None
    encoded: str

    @property
    def form(self) -> Form:
        """The parameters."""
        return Form(forms.parse(self.encoded))

    @property
    def fingerprint(self) -> str:
        """What has to be the same for a key to be used again."""
        return f"{self.request.method} {self.request.url.path} {self.encoded}"

    async def run(self, name: str, operation: Operation) -> Response:
        """Answer the call under its name: a replay, a refusal, or what executing the operation leads to."""
        fault = self.server.faults.take(name)
        if fault is not None and fault.kind is FaultKind.DROP_REQUEST:
            return await connections.cut(self.request)
        response = await self._answer(operation, fault)
        if fault is not None and fault.kind is FaultKind.DROP_ANSWER:
            return await connections.cut(self.request)
        return response

    async def _answer(self, operation: Operation, fault: Fault | None) -> Response:
        try:
            self._authorise()
            if fault is not None and fault.refusal is not None:
                raise fault.refusal
            kept = self._kept()
            if kept is not None:
                return self._respond(kept, replayed=True)
            with self._alone():
                await pause(fault)
                return self._respond(self._execute(_struck(operation, fault)))
        except Unexecuted as refusal:
            return self._respond(self._answer_of(refusal.status, refusal.body))

    def _authorise(self) -> None:
        given = self.request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), self.server.settings.api_key.encode()):
            raise refusals.unauthorized(given)

    def _kept(self) -> Answer | None:
        if self.key is None:
            return None
        if len(self.key) > LONGEST_KEY:
            raise refusals.long_key()
        kept = self.server.records.find_answer(self.key, since=self.server.clock() - KEPT_FOR)
        if kept is not None and kept.fingerprint != self.fingerprint:
            raise refusals.other_parameters(self.key)
        return kept

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self.key is None:
            yield
            return
        if self.key in self.server.running:
            raise refusals.in_progress(self.key)
        self.server.running.add(self.key)
        try:
            yield
        finally:
            self.server.running.discard(self.key)

    def _execute(self, operation: Operation) -> Answer:
        desk = self.server.desk({"id": self.request_id, "idempotency_key": self.key})
        with desk.records.transaction():
            try:
                answer = self._answer_of(HTTPStatus.OK, self._expanded(desk, operation(desk, self.form)))
            except Executed as refusal:
                answer = self._answer_of(refusal.status, refusal.body)
            if self.key is not None:
                desk.records.keep_answer(self.key, answer, now=desk.now)
        self.server.owed.set()
        return answer

    def _expanded(self, desk: Desk, result: StripeObject) -> StripeObject:
        return expansion.expand(result, self.form.words("expand"), find=desk.records.find)

    def _answer_of(self, status: int, body: StripeObject) -> Answer:
        return Answer(status, json.dumps(body).encode(), self.fingerprint)

    def _respond(self, answer: Answer, *, replayed: bool = False) -> Response:
        headers = {"Request-Id": self.request_id, "Stripe-Version": objects.API_VERSION}
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(answer.body, answer.status, headers, "application/json")


def _struck(operation: Operation, fault: Fault | None) -> Operation:
    """The operation as it goes under a fault: it breaks before anything is done, or when everything is."""
    if fault is None or fault.kind not in _BROKEN:
        return operation

    def broken(desk: Desk, form: Form) -> StripeObject:
        if fault.kind is FaultKind.ERROR_500_AFTER:
            with suppress(Executed):
                operation(desk, form)
        raise refusals.broken()

    return broken


async def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


Running = Annotated[Server, Depends(_server)]
"""The server, for what is asked of it beside calls."""


async def receive(request: Request) -> Call:
    """Read a request; an idempotency key counts for POST only."""
    posted = request.method == "POST"
    return Call(
        server=request.app.state.server,
        request=request,
        request_id=objects.new_id("req"),
        key=request.headers.get("idempotency-key") if posted else None,
        encoded=(await request.body()).decode() if posted else request.url.query,
    )
