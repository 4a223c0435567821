"""The payment service through its doors, with either bank behind it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from services.payment import app
from services.payment.settings import API_KEY as API_KEY_NAME
from services.payment.settings import WEBHOOK_SECRET as WEBHOOK_SECRET_NAME
from services.payment.settings import PaymentSettings
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import SETTINGS, Client, Clock, Serve, Tokens, World
from tests.service.payment.banks import API_KEY, WEBHOOK_SECRET, Bank, DoubleBank, StandIn, running_stand_in
from tests.service.payment.shop import Shop


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with running_stand_in(tmp_path_factory.mktemp("stripe")) as bank:
        yield bank


@pytest.fixture
def bank(request: pytest.FixtureRequest) -> Bank:
    """The double, unless a test asks for the stand-in (`stripe`)."""
    if getattr(request, "param", "double") == "double":
        return DoubleBank()
    found: StandIn = request.getfixturevalue("stand_in")
    return found


@pytest.fixture
def double(bank: Bank) -> DoubleBank:
    assert isinstance(bank, DoubleBank)
    return bank


@pytest.fixture
async def client(serve: Serve, bank: Bank) -> AsyncIterator[Client]:
    async with _served(serve, bank) as client:
        yield client


def _served(serve: Serve, bank: Bank) -> AbstractAsyncContextManager[Client]:
    settings = PaymentSettings(**SETTINGS.model_dump(), sidecart_stripe_api=bank.address)
    secrets = {API_KEY_NAME: API_KEY, WEBHOOK_SECRET_NAME: WEBHOOK_SECRET}
    return serve("payment", lambda start, _: app.create(start, settings, bank.connect), secrets=secrets)


@pytest.fixture
def shop(client: Client, tokens: Tokens, clock: Clock, sidecar: SidecarDouble, bank: Bank) -> Shop:
    return Shop(client=client, tokens=tokens, clock=clock, sidecar=sidecar, bank=bank)


@pytest.fixture
def new_shop(emptied: Callable[[str], str], tokens: Tokens) -> Callable[[], AbstractAsyncContextManager[Shop]]:
    """Opens a shop that has no past, as often as a test asks for one."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Shop]:
        bank, clock, sidecar = DoubleBank(), Clock(), SidecarDouble()
        async with _served(World(emptied, sidecar, tokens, clock).serve, bank) as client:
            yield Shop(client=client, tokens=tokens, clock=clock, sidecar=sidecar, bank=bank)

    return opened
