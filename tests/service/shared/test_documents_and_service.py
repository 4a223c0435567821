"""Documents by identity, and what every application has."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.shared.documents import Document
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Serve
from tests.service.shared.toy import create

AT = datetime(2026, 1, 2, tzinfo=UTC)


def document(number: int, key: str = "k", **body: object) -> Document:
    return Document(id=UUID(int=number), key=key, at=AT + timedelta(seconds=number // 2), body=body)


async def test_a_document_is_inserted_or_replaced_by_its_id(serve: Serve) -> None:
    async with serve("toy", create) as client:
        documents = client.runtime.documents
        await documents.put("notes", document(1, text="first"))

        await documents.put("notes", document(1, key="moved", text="second"))

        assert await documents.get("notes", UUID(int=1)) == document(1, key="moved", text="second")
        assert await documents.find("notes", "k", limit=10) == []
        assert await documents.get("other", UUID(int=1)) is None


async def test_documents_of_a_key_come_newest_first_page_by_page(serve: Serve) -> None:
    async with serve("toy", create) as client:
        documents = client.runtime.documents
        await documents.put("notes", *(document(number) for number in range(5)), document(9, key="other"))

        first = await documents.find("notes", "k", limit=3)
        second = await documents.find("notes", "k", limit=3, before=(first[-1].at, first[-1].id))

        assert [one.id.int for one in first] == [4, 3, 2]
        assert [one.id.int for one in second] == [1, 0]


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_only_the_sidecar_gets_in(serve: Serve, token: str) -> None:
    async with serve("toy", create) as client:
        answer = await client.post(f"/lamps/{UUID(int=1)}", headers={"dapr-api-token": token})

        assert answer.status_code == 401


async def test_health_and_metrics_are_open_and_readiness_names_what_is_away(
    serve: Serve, sidecar: SidecarDouble
) -> None:
    async with serve("toy", create) as client:
        del client.headers["dapr-api-token"]
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        assert "http_server_request_duration_seconds" in (await client.get("/metrics")).text

        sidecar.is_away = True

        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Away: sidecar.")
