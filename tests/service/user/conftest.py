"""The user service through its doors, and somebody who uses it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.user import app
from tests.service.doors import Client, Serve

PASSWORD = "correct horse battery"
OPERATOR_PASSWORD = "operator's own password"
SECRETS = {
    "jwt-private-key": Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode(),
    "operator-password": OPERATOR_PASSWORD,
}


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[Client]:
    async with serve("user", app.create, secrets=SECRETS) as client:
        yield client


@dataclass
class Shop:
    """What people do with their accounts."""

    client: Client

    async def register(self, email: str = "ada@example.com", **other: Any) -> httpx2.Response:
        body = {"email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"} | other
        return await self.client.post("/users/register", json=body)

    async def log_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> httpx2.Response:
        return await self.client.post("/users/login", json={"email": email, "password": password})

    async def refresh(self, token: str) -> httpx2.Response:
        return await self.client.post("/users/token/refresh", json={"refresh_token": token})

    async def customer(self, email: str = "ada@example.com") -> dict[str, str]:
        """The headers of a customer who has registered and logged in."""
        await self.register(email)
        return bearer(await self.log_in(email))

    async def operator(self) -> dict[str, str]:
        """The headers of the operator."""
        return bearer(await self.log_in("operator@example.com", OPERATOR_PASSWORD))


@pytest.fixture
def shop(client: Client) -> Shop:
    return Shop(client)


def bearer(login: httpx2.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


def claims(login: httpx2.Response) -> dict[str, Any]:
    return jwt.decode(login.json()["access_token"], options={"verify_signature": False})
