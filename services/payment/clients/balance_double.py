"""The balance of the provider for tests: every movement in memory, and room for those that no test card makes."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, islice
from uuid import UUID

from services.payment.clients.provider import CallInvalid
from services.payment.domain.reconciliation import Movement, MovementKind, MovementPage

_NOTHING_YET = datetime.min.replace(tzinfo=UTC)


def fee_of(amount_minor: int) -> int:
    """What a charge costs: 1.4 % and 25 minor units, half a unit rounded up."""
    return (amount_minor * 14 + 500) // 1000 + 25


class BalanceDouble:
    """The movements, oldest first; a test may also forget or change one."""

    def __init__(self) -> None:
        """Without any."""
        self.movements: list[Movement] = []
        self.page_size = 100
        self._numbers = count(1)

    def add(
        self,
        kind: MovementKind,
        amount_minor: int,
        *,
        fee_minor: int = 0,
        currency: str = "EUR",
        **told: str | UUID | None,
    ) -> Movement:
        """Move the balance now; `told` is what the source tells of ours."""
        moved = Movement(
            id=f"txn_{next(self._numbers)}",
            kind=kind,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            currency=currency,
            created_at=datetime.now(UTC).replace(microsecond=0),
            **told,  # type: ignore[arg-type]  # each by the name of its field
        )
        self.movements.append(moved)
        return moved

    def charge(self, intent_id: str, amount_minor: int, *, currency: str, order_id: str | None) -> None:
        """An intent has taken money."""
        source, order = f"ch_{intent_id}", UUID(order_id) if order_id else None
        fee = fee_of(amount_minor)
        self.add(
            MovementKind.CHARGE,
            amount_minor,
            fee_minor=fee,
            currency=currency,
            source=source,
            intent_id=intent_id,
            order_id=order,
        )

    def fail_refund(self, reference: str) -> None:
        """The money of a refund comes back."""
        found = next(one for one in self.movements if one.source == reference)
        back = replace(
            found, id=f"txn_{next(self._numbers)}", kind=MovementKind.REFUND_FAILURE, amount_minor=-found.amount_minor
        )
        self.movements.append(back)

    def page(self, since: datetime | None, after: str | None) -> MovementPage:
        """A page, newest first."""
        newest_first = self.movements[::-1]
        if after is not None:
            ids = [one.id for one in newest_first]
            if after not in ids:
                raise CallInvalid("resource_missing", "starting_after")
            newest_first = newest_first[ids.index(after) + 1 :]
        asked = (one for one in newest_first if one.created_at >= (since or _NOTHING_YET))
        found = list(islice(asked, self.page_size + 1))
        shown = found[: self.page_size]
        return MovementPage(movements=shown, after=shown[-1].id if len(found) > len(shown) else None)
