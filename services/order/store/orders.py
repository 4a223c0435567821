"""Orders in PostgreSQL. Placing is one statement; a change is a lock, a read and one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import bindparam

from services.contracts.events import OrderLine
from services.contracts.money import Money
from services.order.domain.address import Address
from services.order.domain.order import HistoryEntry, Order, OrderStatus
from services.shared.errors import NotFound


class OrderNotFound(NotFound):
    """There is no such order, or it is not yours."""


_HISTORY_ROWS = """
INSERT INTO order_history (order_id, position, status, at, actor, reason, cause)
SELECT {source}.id, row.position - 1, row.status, row.at, row.actor, row.reason, row.cause
FROM {source}, unnest(CAST(:statuses AS text[]), CAST(:moments AS timestamptz[]), CAST(:actors AS text[]),
    CAST(:reasons AS text[]), CAST(:causes AS uuid[])) WITH ORDINALITY
    AS row (status, at, actor, reason, cause, position)
ON CONFLICT DO NOTHING
"""

_PLACE = text(f"""
WITH placed AS (
    INSERT INTO placement (order_id, outcome) VALUES (:id, 'placed') ON CONFLICT DO NOTHING RETURNING order_id
), ordered AS (
    INSERT INTO orders (id, user_id, status, total_minor, currency, cart_id, fingerprint, version,
        created_at, updated_at, expires_at, next_check_at)
    SELECT order_id, :user_id, :status, :total_minor, :currency, :cart_id, :fingerprint, :version,
        :created_at, :updated_at, :expires_at, :expires_at
    FROM placed ON CONFLICT (cart_id) DO NOTHING RETURNING id
), lines AS (
    INSERT INTO order_line (order_id, position, product_id, sku, name, unit_price_minor, quantity)
    SELECT ordered.id, row.position - 1, row.product_id, row.sku, row.name, row.unit_price_minor, row.quantity
    FROM ordered, unnest(CAST(:product_ids AS uuid[]), CAST(:skus AS text[]), CAST(:names AS text[]),
        CAST(:unit_prices AS bigint[]), CAST(:quantities AS integer[]))
        WITH ORDINALITY AS row (product_id, sku, name, unit_price_minor, quantity, position)
), address AS (
    INSERT INTO shipping_address (order_id, address) SELECT id, :address FROM ordered
), history AS ({_HISTORY_ROWS.format(source="ordered")})
SELECT EXISTS (SELECT FROM placed) AS is_placed, EXISTS (SELECT FROM ordered) AS is_ordered
""").bindparams(bindparam("address", type_=JSONB))  # noqa: S608 - fixed fragments

_SAVE = text(f"""
WITH saved AS (
    UPDATE orders SET status = :status, payment_id = :payment_id, carrier = :carrier,
        tracking_number = :tracking_number, version = :version, updated_at = :updated_at
    WHERE id = :id RETURNING id
)
{_HISTORY_ROWS.format(source="saved")}
""")  # noqa: S608 - fixed fragments

_READ = """
SELECT o.id, o.user_id, o.status, o.total_minor, o.currency, o.payment_id, o.carrier, o.tracking_number, o.version,
    o.created_at, o.updated_at, o.expires_at, a.address,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.position) FROM order_line l WHERE l.order_id = o.id) AS lines,
    (SELECT jsonb_agg(to_jsonb(h) ORDER BY h.position) FROM order_history h WHERE h.order_id = o.id) AS history
FROM orders o LEFT JOIN shipping_address a ON a.order_id = o.id
"""
_GET = text(f"{_READ} WHERE o.id = :id")
_LOCK = text("SELECT FROM orders WHERE id = :id FOR UPDATE")
_FILTERS = {
    "user_id": "o.user_id = :user_id",
    "status": "o.status = :status",
    "at": "(o.created_at, o.id) < (:at, :id)",
}
_NEWEST = "ORDER BY o.created_at DESC, o.id DESC LIMIT :limit"
_OWNER = text("SELECT user_id FROM orders WHERE id = :id")
_OF_CART = text("SELECT id FROM orders WHERE cart_id = :cart_id")
_READDRESS = text("""
INSERT INTO shipping_address (order_id, address) VALUES (:id, :address)
ON CONFLICT (order_id) DO UPDATE SET address = excluded.address
""").bindparams(bindparam("address", type_=JSONB))
_TAKE_EXPIRED = text("""
UPDATE orders SET next_check_at = :now + least(greatest(:now - expires_at, :soonest), :latest) WHERE id = (
    SELECT id FROM orders WHERE status = 'pending' AND expires_at <= :now AND next_check_at <= :now
    ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
""")


@dataclass(frozen=True, kw_only=True)
class Placing:
    """What became of an attempt to place: both, or the order id is taken, or the cart is."""

    is_placed: bool
    is_ordered: bool


async def place(session: AsyncSession, order: Order, *, fingerprint: str, cart_id: UUID | None) -> Placing:
    """Write an order, its lines, its address and its history, unless its id or its cart is taken; waits for rivals."""
    values = _state_of(order) | _lines_of(order) | {"fingerprint": fingerprint, "cart_id": cart_id}
    values |= {"user_id": order.user_id, "created_at": order.created_at, "expires_at": order.expires_at}
    values |= {"total_minor": order.total_amount.minor, "currency": order.total_amount.currency}
    values |= {"address": order.shipping_address and order.shipping_address.model_dump()}
    return Placing(**(await session.execute(_PLACE, values)).mappings().one())


async def save(session: AsyncSession, order: Order) -> None:
    """Write a locked order's state, and the history that it has got since."""
    values = {"payment_id": order.payment_id, "carrier": order.carrier, "tracking_number": order.tracking_number}
    await session.execute(_SAVE, _state_of(order) | values)


async def save_address(session: AsyncSession, order_id: UUID, address: Address) -> None:
    """Write a locked order's address."""
    await session.execute(_READDRESS, {"id": order_id, "address": address.model_dump()})


async def get(session: AsyncSession, order_id: UUID) -> Order:
    """An order.

    :raises OrderNotFound: there is none.
    """
    row = (await session.execute(_GET, {"id": order_id})).mappings().one_or_none()
    if row is None:
        raise OrderNotFound
    return _order_from(row)


async def lock(session: AsyncSession, order_id: UUID) -> Order:
    """An order that nobody else changes until the transaction ends.

    The lock is a statement of its own: a statement that waits for a lock sees other tables as they were before.

    :raises OrderNotFound: there is none.
    """
    await session.execute(_LOCK, {"id": order_id})
    return await get(session, order_id)


async def newest(
    session: AsyncSession,
    *,
    user_id: UUID | None,
    status: OrderStatus | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Order]:
    """Orders, newest first: of a user or of all, in a status or in any, older than (created_at, id) or all."""
    given = {"user_id": user_id, "status": status, "at": before and before[0]}
    where = [condition for name, condition in _FILTERS.items() if given[name] is not None] or ["true"]
    query = text(f"{_READ} WHERE {' AND '.join(where)} {_NEWEST}")
    found = await session.execute(query, given | {"id": before and before[1], "limit": limit})
    return [_order_from(row) for row in found.mappings()]


async def owner(session: AsyncSession, order_id: UUID) -> UUID:
    """Whose order it is.

    :raises OrderNotFound: there is none.
    """
    found: UUID | None = (await session.execute(_OWNER, {"id": order_id})).scalar_one_or_none()
    if found is None:
        raise OrderNotFound
    return found


async def find_order_of_cart(session: AsyncSession, cart_id: UUID | None) -> UUID | None:
    """The order that was made from a cart."""
    found: UUID | None = (await session.execute(_OF_CART, {"cart_id": cart_id})).scalar_one_or_none()
    return found


async def find_expired(session: AsyncSession, *, now: datetime, soonest: timedelta, latest: timedelta) -> UUID | None:
    """The pending order that is longest due; skips what others just take.

    It is due again after as long as it is overdue by now, within these bounds: each time after twice as long.
    """
    values = {"now": now, "soonest": soonest, "latest": latest}
    found: UUID | None = (await session.execute(_TAKE_EXPIRED, values)).scalar_one_or_none()
    return found


def _state_of(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "version": order.version,
        "updated_at": order.updated_at,
        "statuses": [entry.status for entry in order.history],
        "moments": [entry.at for entry in order.history],
        "actors": [entry.actor for entry in order.history],
        "reasons": [entry.reason for entry in order.history],
        "causes": [entry.cause for entry in order.history],
    }


def _lines_of(order: Order) -> dict[str, Any]:
    return {
        "product_ids": [line.product_id for line in order.lines],
        "skus": [line.sku for line in order.lines],
        "names": [line.name for line in order.lines],
        "unit_prices": [line.unit_price.minor for line in order.lines],
        "quantities": [line.quantity for line in order.lines],
    }


def _order_from(row: RowMapping) -> Order:
    kept = {name: row[name] for name in ("id", "user_id", "payment_id", "version", "carrier", "tracking_number")}
    times = {name: row[name].astimezone(UTC) for name in ("created_at", "updated_at", "expires_at")}
    return Order(
        status=OrderStatus(row["status"]),
        lines=tuple(_line_from(line, row["currency"]) for line in row["lines"]),
        total_amount=Money.of(row["total_minor"], row["currency"]),
        shipping_address=Address.model_construct(**row["address"]) if row["address"] else None,
        history=[_entry_from(entry) for entry in row["history"]],
        **kept,
        **times,
    )


def _line_from(line: Mapping[str, Any], currency: str) -> OrderLine:
    price = Money.of(line["unit_price_minor"], currency)
    return OrderLine(
        product_id=UUID(line["product_id"]),
        sku=line["sku"],
        name=line["name"],
        unit_price=price,
        quantity=line["quantity"],
        line_total=price * line["quantity"],
    )


def _entry_from(entry: Mapping[str, Any]) -> HistoryEntry:
    at = datetime.fromisoformat(entry["at"]).astimezone(UTC)
    cause = UUID(entry["cause"]) if entry["cause"] else None
    status = OrderStatus(entry["status"])
    return HistoryEntry(status=status, at=at, actor=entry["actor"], reason=entry["reason"], cause=cause)
