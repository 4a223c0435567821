"""A good client asks again for as long as asking may help, and no longer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.local.customer import client
from services.local.proofs.patience import GaveUp, Patient


class Answers:
    """A shop that gives its answers one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, dict[str, Any]]] = []
        self.keys: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        status, body = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        if status == 0 and request.transport is not None:
            request.transport.close()
        return web.json_response(body, status=status or 500)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def patient(answers: Answers) -> AsyncIterator[Patient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.answer)
    async with TestServer(app) as server, client.connected(str(server.make_url("")).rstrip("/")) as api:
        yield Patient(api=api)


async def test_a_lost_answer_and_a_shop_that_is_away_are_asked_again_with_the_same_key(
    patient: Patient, answers: Answers
) -> None:
    in_progress = {"type": "request-in-progress"}
    answers.waiting = [(0, {}), (503, {}), (429, {}), (409, in_progress), (201, {"id": 7})]

    reply = await patient.ask("POST", "/orders", HTTPStatus.CREATED, json={}, key="k")

    assert reply.body == {"id": 7}
    assert answers.keys == ["k"] * 5


@pytest.mark.parametrize(("status", "slug"), [(409, "sku-taken"), (401, "token-invalid"), (422, "invalid")])
async def test_a_refusal_ends_the_matter(patient: Patient, answers: Answers, status: int, slug: str) -> None:
    answers.waiting = [(status, {"type": slug})]

    with pytest.raises(GaveUp, match=f"{status} {slug}"):
        await patient.ask("POST", "/orders", HTTPStatus.CREATED)

    assert len(answers.keys) == 1


async def test_patience_ends(patient: Patient, answers: Answers) -> None:
    answers.waiting = [(503, {"type": "store-unavailable"})]

    with pytest.raises(GaveUp, match="503 store-unavailable"):
        await replace(patient, seconds=0.3).ask("GET", "/orders", HTTPStatus.OK)
