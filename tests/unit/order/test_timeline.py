"""The order of a timeline: by time, and causes before what they brought about at the same moment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from uuid import UUID

from services.contracts.events import OrderPaid, OrderShipped, PaymentSucceeded, StockCommitted
from services.order import views
from services.shared.documents import Document
from tests.unit.order.builders import AT


class _Found:
    """Documents of which these are found, as they come."""

    def __init__(self, found: Sequence[Document]) -> None:
        self._found = found

    async def put(self, collection: str, *documents: Document) -> None:
        raise NotImplementedError

    async def get(self, collection: str, id_: UUID) -> Document | None:
        raise NotImplementedError

    async def find(
        self, collection: str, key: str, *, limit: int, before: tuple[datetime, UUID] | None = None
    ) -> Sequence[Document]:
        assert (collection, key, limit, before) == ("timeline", str(UUID(int=9)), 500, None)
        return self._found


def _told(type_: str, at: datetime = AT) -> Document:
    body = {"source": "order", "type": type_, "summary": "Something"}
    return Document(id=UUID(int=1), key=str(UUID(int=9)), at=at, body=body)


async def test_what_happens_at_one_moment_is_told_in_the_order_in_which_one_brings_about_the_other() -> None:
    moment = [_told(one.TYPE) for one in (PaymentSucceeded, OrderPaid, StockCommitted)]
    later = _told(OrderShipped.TYPE, AT + timedelta(seconds=1))

    for found in permutations([*moment, later]):
        items = await views.timeline(_Found(found), UUID(int=9))

        assert [item.type for item in items] == ["payment.succeeded", "order.paid", "stock.committed", "order.shipped"]
