"""Refusals and failures become problem documents that say enough and leak nothing."""

import sqlalchemy.exc
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from services.shared import errors
from services.shared.errors import Conflict, NotFound, Unauthenticated, Unavailable


class LampIsBroken(Conflict):
    """A lamp with {count} cracks cannot be sold."""


class StoreAway(Unavailable):
    """The store is away."""


class Lamp(BaseModel):
    watts: int


app = FastAPI()
errors.install(app)


@app.post("/lamps")
def make(lamp: Lamp) -> int:
    return lamp.watts


@app.get("/lamps/{number}")
def show(number: int) -> None:
    failures: list[Exception] = [
        LampIsBroken(count=3, errors=[{"field": "glass", "message": "cracked"}], extra={"cracks": 3}),
        StoreAway(),
        Unauthenticated(),
        sqlalchemy.exc.OperationalError("SELECT secret", {}, Exception("at host db1")),
        ZeroDivisionError("password is hunter2"),
        NotFound(),
    ]
    raise failures[number]


client = TestClient(app, raise_server_exceptions=False)


def test_a_refusals_docstring_is_its_message_and_its_name_the_slug() -> None:
    answer = client.get("/lamps/0")

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "lamp-is-broken",
        "title": "Conflict",
        "status": 409,
        "detail": "A lamp with 3 cracks cannot be sold.",
        "trace_id": "0" * 32,
        "errors": [{"field": "glass", "message": "cracked"}],
        "cracks": 3,
    }


def test_what_is_away_says_when_to_come_back() -> None:
    answer = client.get("/lamps/1")

    assert (answer.status_code, answer.headers["retry-after"], answer.json()["type"]) == (503, "1", "store-away")


def test_a_missing_identity_names_the_scheme() -> None:
    answer = client.get("/lamps/2")

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_database_that_is_away_is_a_503_that_leaks_nothing() -> None:
    answer = client.get("/lamps/3")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "secret" not in answer.text
    assert "db1" not in answer.text


def test_a_bug_is_a_500_that_leaks_nothing() -> None:
    answer = client.get("/lamps/4")

    assert (answer.status_code, answer.json()["type"]) == (500, "internal-error")
    assert "hunter2" not in answer.text


def test_broken_json_is_malformed() -> None:
    answer = client.post("/lamps", content=b'{"watts": ', headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["type"]) == (400, "malformed")


def test_a_wrong_type_names_its_field() -> None:
    answer = client.post("/lamps", json={"watts": "many"})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "watts")


def test_an_id_that_cannot_be_one_is_not_found() -> None:
    assert client.get("/lamps/none").status_code == 404


def test_an_unknown_path_and_a_wrong_method_are_problems_too() -> None:
    assert client.get("/nowhere").json()["type"] == "not-found"
    assert client.delete("/lamps").json()["type"] == "method-not-allowed"
