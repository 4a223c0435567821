"""The toy service: it counts how often it sees a lamp, and refuses on demand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import (
    Level,
    NotificationSent,
    OpeningStockDeclared,
    StockSet,
    UserChanged,
    UserRegistered,
)
from services.shared import outbox, service
from services.shared.database import Transaction
from services.shared.documents import Document, Documents
from services.shared.errors import Conflict, TooEarly
from services.shared.identity import Anyone
from services.shared.pubsub import EventDoor
from services.shared.runtime import Start
from services.shared.settings import Settings

SEEN = text("INSERT INTO lamp (id, seen) VALUES (:id, 1) ON CONFLICT (id) DO UPDATE SET seen = lamp.seen + 1")


class Gone(Conflict):
    """It is gone."""


class Switch:
    """What the handlers do next: nothing, or fail in one of the ways that there are."""

    failure: ClassVar[BaseException | None] = None


def user(
    version: int = 1, *, kind: type[UserRegistered | UserChanged] = UserRegistered, id_: UUID | None = None
) -> UserRegistered | UserChanged:
    return kind(
        version=version,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        user_id=id_ or uuid4(),
        email="ada@example.com",
        first_name="Ada",
        last_name="L",
        role="customer",
        is_active=True,
    )


def level(product_id: UUID, version: int) -> StockSet:
    return StockSet(
        version=version,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        product_id=product_id,
        change=1,
        reason="count",
        levels=(Level(product_id=product_id, on_hand=version, reserved=0, version=version),),
    )


def door() -> EventDoor:
    events = EventDoor()

    @events.on(UserRegistered)
    async def count(session: AsyncSession, event: UserRegistered) -> None:
        await session.execute(SEEN, {"id": event.user_id})
        if Switch.failure is not None:
            raise Switch.failure

    @events.project(NotificationSent)
    async def show(documents: Documents, event: NotificationSent) -> None:
        await documents.put(
            "shown", Document(id=event.event_id, key="all", at=event.at, body={"template": event.template})
        )

    @events.in_bulk(StockSet)
    async def stock(session: AsyncSession, found: Sequence[StockSet]) -> None:
        for one in found:
            if one.change < 0:
                raise TooEarly
            await session.execute(SEEN, {"id": one.product_id})

    @events.on(OpeningStockDeclared)
    async def open_stock(*_: object) -> None:
        raise Gone

    return events


router = APIRouter()


@router.post("/lamps/{lamp_id}")
async def see(session: Transaction, lamp_id: UUID, _: Anyone) -> dict[str, Any]:
    await session.execute(SEEN, {"id": lamp_id})
    outbox.add(session, user(id_=lamp_id))
    return {"seen": str(lamp_id)}


def create(start: Start, settings: Settings) -> FastAPI:
    return service.create_app("toy", start=start, settings=settings, routers=[router], events=door())
