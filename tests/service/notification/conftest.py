"""The notification service and its sender."""

from collections.abc import AsyncIterator

import pytest

from services.notification import app
from services.notification.operations.sending import Sender
from tests.service.doors import Client, Serve


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[Client]:
    async with serve("notification", app.create) as client:
        yield client


@pytest.fixture
def sender() -> Sender:
    return Sender()
