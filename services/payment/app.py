"""Wire the payment service and serve it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from fastapi import FastAPI

from services.payment import api, subscriptions
from services.payment.clients import stripe_provider
from services.payment.clients.provider import Provider
from services.payment.operations import reconciling
from services.payment.operations.closing import cancel_one_intent
from services.payment.operations.debts import repay_one
from services.payment.operations.following import follow_one
from services.payment.operations.hearing import act_on_one, forget_old
from services.payment.operations.reconciling import Pace, Reconciler
from services.payment.operations.returning import execute_one
from services.payment.operations.settling import settle_one
from services.payment.operations.till import Till
from services.payment.settings import (
    API_KEY,
    CALL_SECONDS,
    OVERLAP_SECONDS,
    RECONCILIATION_PATIENCE_SECONDS,
    WEBHOOK_SECRET,
    WHOLE_RECONCILIATION_SECONDS,
    PaymentSettings,
)
from services.shared import service
from services.shared.runtime import Runtime, Start, runtime_of
from services.shared.timers import Timer

Connect = Callable[[Runtime], AbstractAsyncContextManager[Provider]]
"""How the service comes by its provider."""


def create(start: Start, settings: PaymentSettings, connect: Connect | None = None) -> FastAPI:
    """The application."""
    opened = connect or _stripe(settings)

    @asynccontextmanager
    async def lifespan(runtime: Runtime) -> AsyncIterator[None]:
        async with opened(runtime) as provider:
            till = Till(
                database=runtime.database,
                provider=provider,
                sidecar=runtime.sidecar,
                clock=runtime.clock,
                webhook_secret=runtime.secrets[WEBHOOK_SECRET],
            )
            runtime.add(till)
            async with reconciling.opened(till, _pace(settings)) as reconciler:
                runtime.add(reconciler)
                yield

    return service.create_app(
        "payment",
        start=start,
        settings=settings,
        routers=api.routers,
        events=subscriptions.door,
        timers=[*timers, *spare_timers, reconciliation],
        lifespan=lifespan,
    )


def _pace(settings: PaymentSettings) -> Pace:
    return Pace(
        every=timedelta(seconds=settings.sidecart_reconciliation_seconds),
        whole=timedelta(seconds=WHOLE_RECONCILIATION_SECONDS),
        overlap=timedelta(seconds=OVERLAP_SECONDS),
        grace=timedelta(seconds=settings.sidecart_reconciliation_grace_seconds),
        patience=timedelta(seconds=RECONCILIATION_PATIENCE_SECONDS),
    )


def _stripe(settings: PaymentSettings) -> Connect:
    @asynccontextmanager
    async def connected(runtime: Runtime) -> AsyncIterator[Provider]:
        async with stripe_provider.connect(
            api_key=runtime.secrets[API_KEY],
            address=settings.sidecart_stripe_api,
            return_url=settings.sidecart_payment_return_url,
            seconds=CALL_SECONDS,
            page=settings.sidecart_reconciliation_page,
        ) as provider:
            yield provider

    return connected


async def _webhooks(runtime: Runtime) -> bool:
    return await act_on_one(runtime.part(Till), at=runtime.clock())


async def _refunds(runtime: Runtime) -> bool:
    return await execute_one(runtime.part(Till), at=runtime.clock())


async def _debts(runtime: Runtime) -> bool:
    return await repay_one(runtime.part(Till), at=runtime.clock())


async def _attempts(runtime: Runtime) -> bool:
    return await settle_one(runtime.part(Till), at=runtime.clock())


async def _cancellations(runtime: Runtime) -> bool:
    return await cancel_one_intent(runtime.part(Till), at=runtime.clock())


async def _follower(runtime: Runtime) -> bool:
    return await follow_one(runtime.part(Till), at=runtime.clock())


async def _old_webhooks(runtime: Runtime) -> bool:
    return await forget_old(runtime.part(Till), at=runtime.clock())


async def _reconciliation(runtime: Runtime) -> bool:
    await runtime.part(Reconciler).when_due()
    return False


_calling = [
    Timer(name="webhooks", seconds=0.5, step=_webhooks),
    Timer(name="refunds", seconds=1, step=_refunds),
    Timer(name="attempts", seconds=1, step=_attempts),
    Timer(name="cancellations", seconds=5, step=_cancellations),
]
timers = [
    *_calling,
    Timer(name="debts", seconds=5, step=_debts),
    Timer(name="follower", seconds=60, step=_follower),
    Timer(name="old-webhooks", seconds=3600, step=_old_webhooks),
]
spare_timers = [replace(timer, seconds=5) for timer in _calling for _ in range(3)]
"""Whoever waits for a provider that does not answer holds up no others: leases keep two from doing the same."""
reconciliation = Timer(name="reconciliation", seconds=5, step=_reconciliation)
"""Looks whether it is time: how often it is, the settings say."""


def main() -> None:
    """Serve until SIGTERM."""
    settings = PaymentSettings()
    service.run(create(runtime_of("payment", settings), settings), settings, "payment")


if __name__ == "__main__":
    main()
