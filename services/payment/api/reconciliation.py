"""Reconciliation, for staff."""

from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from services.contracts.money import MINOR_DIGITS
from services.payment.domain.reconciliation import Difference, DifferenceClass, Run, RunStatus, Subject, Sums
from services.payment.operations import reconciling
from services.payment.operations.reconciling import Reconciler, Report
from services.shared.database import Transaction
from services.shared.identity import Staff
from services.shared.runtime import OwnDatabase, part

router = APIRouter(tags=["payment"])

OwnReconciler = Annotated[Reconciler, Depends(part(Reconciler))]


class SumsShape(BaseModel):
    """What the books say of one kind of movement in one currency, as decimals; null where orders have no opinion."""

    currency: str
    movement: str
    orders: str | None
    ledger: str
    provider: str

    @classmethod
    def of(cls, sums: Sums) -> Self:
        """Sums as decimals."""
        currency = sums.currency
        return cls(
            currency=currency,
            movement=sums.movement,
            orders=_known(sums.orders_minor, currency),
            ledger=_decimal(sums.ledger_minor, currency),
            provider=_decimal(sums.provider_minor, currency),
        )


class DifferenceShape(BaseModel):
    """One thing that differs: ours by `id`, the provider's by `reference`, and what each book says of it."""

    subject: Subject
    id: str
    order_id: UUID | None
    payment_id: UUID | None
    reference: str | None
    currency: str
    order: str | None
    payment: str | None
    ledger: str | None
    provider: str | None
    first_seen: datetime
    last_seen: datetime

    @classmethod
    def of(cls, found: Difference) -> Self:
        """A difference with decimals."""
        return cls(
            subject=found.subject,
            id=found.subject_id,
            order_id=found.order_id,
            payment_id=found.payment_id,
            reference=found.reference,
            currency=found.currency,
            order=_known(found.order_minor, found.currency),
            payment=_known(found.here_minor, found.currency),
            ledger=_known(found.ledger_minor, found.currency),
            provider=_known(found.provider_minor, found.currency),
            first_seen=found.first_seen,
            last_seen=found.last_seen,
        )


class ClassShape(BaseModel):
    """The differences of a class: how many are open, and the newest hundred."""

    count: int
    items: list[DifferenceShape]


class RepairShape(DifferenceShape):
    """A difference that was repaired, and what it was."""

    difference: DifferenceClass

    @classmethod
    def of(cls, found: Difference) -> Self:
        """A repaired difference."""
        return cls(difference=found.difference, **DifferenceShape.of(found).model_dump())


class NewestShape(BaseModel):
    """The run that was begun last, however it ended: when it is not this one, what is told here is as old as this."""

    id: int
    status: RunStatus
    began_at: datetime

    @classmethod
    def of(cls, run: Run) -> Self:
        """A run."""
        return cls(id=run.id, status=run.status, began_at=run.began_at)


class ReconciliationShape(BaseModel):
    """The newest complete run; the period is told by the provider's clock.

    It compared what had changed since `compared_since`, and what differed before; null: everything.
    """

    id: int
    status: Literal["complete"] = "complete"
    began_at: datetime
    ended_at: datetime | None
    newest: NewestShape
    compared_since: datetime | None
    period_from: datetime | None
    period_to: datetime | None
    is_equal: bool
    """Whether nothing differs but what is late."""
    compared: dict[str, int]
    sums: list[SumsShape]
    differences: dict[DifferenceClass, ClassShape]
    repaired: list[RepairShape]

    @classmethod
    def of(cls, report: Report) -> Self:
        """A report."""
        run, found = report.run, report.found
        return cls(
            id=run.id,
            began_at=run.began_at,
            ended_at=run.ended_at,
            newest=NewestShape.of(report.newest),
            compared_since=run.compared_since,
            period_from=run.period_from,
            period_to=run.period_to,
            is_equal=not found.counts.keys() - {DifferenceClass.LATE},
            compared=run.counts,
            sums=[SumsShape.of(one) for one in run.sums],
            differences={kind: _class(report, kind) for kind in DifferenceClass},
            repaired=[RepairShape.of(one) for one in found.repaired],
        )


class RunningShape(BaseModel):
    """It takes longer than a request may; the result will be the latest."""

    status: Literal["running"] = "running"


_RUNNING: dict[int | str, dict[str, Any]] = {
    202: {"model": RunningShape, "description": "Still running; the result will be the latest."}
}


@router.get("/payments/reconciliation/latest", summary="Read the newest reconciliation")
async def get_latest_reconciliation(_: Staff, session: Transaction) -> ReconciliationShape:
    """What was compared, what differs by class, and what was repaired."""
    return ReconciliationShape.of(await reconciling.latest(session))


@router.post(
    "/payments/reconciliation",
    summary="Reconcile now",
    response_model=ReconciliationShape | RunningShape,
    responses=_RUNNING,
)
async def reconcile(
    _: Staff, reconciler: OwnReconciler, database: OwnDatabase, response: Response
) -> ReconciliationShape | RunningShape:
    """Compare everything that orders, ledger and provider have, and repair what is safe to repair."""
    if not await reconciler.now():
        response.status_code = HTTPStatus.ACCEPTED
        return RunningShape()
    async with database.begin() as session:
        return ReconciliationShape.of(await reconciling.latest(session))


def _class(report: Report, kind: DifferenceClass) -> ClassShape:
    items = [DifferenceShape.of(one) for one in report.found.differences if one.difference is kind]
    return ClassShape(count=report.found.counts.get(kind, 0), items=items)


def _known(minor: int | None, currency: str) -> str | None:
    return None if minor is None else _decimal(minor, currency)


def _decimal(minor: int, currency: str) -> str:
    """With the currency's digits; the provider may know a currency that the shop does not take."""
    digits = MINOR_DIGITS.get(currency, 2)
    return f"{Decimal(minor).scaleb(-digits):.{digits}f}"
