"""Accounts made from the command line."""

from http import HTTPStatus

from services.local.customer import client
from services.local.customer.client import Api
from services.local.customer.place import OPERATOR, Place
from services.local.refusals import Refusal


class AddressTaken(Refusal):
    """The address belongs to an account already."""


async def add(place: Place, email: str, password: str, *, role: str) -> str:
    """Register an account and give it its role; the answer is its id.

    :raises AddressTaken: there is such an account
    """
    async with client.connected(place.base_url) as api:
        first_name, last_name = names(email)
        reply = await api.register(email, password, first_name=first_name, last_name=last_name)
        if reply.status == HTTPStatus.CONFLICT:
            raise AddressTaken(f"{email} has an account already.")
        user_id: str = reply.expect(HTTPStatus.CREATED)["id"]
        if role != "customer":
            operator = await as_operator(api, place)
            (await operator.call("PUT", f"/users/{user_id}/role", json={"role": role})).expect(HTTPStatus.OK)
    return user_id


async def as_operator(api: Api, place: Place) -> Api:
    """The API as the operator of this machine sees it."""
    return await api.login(OPERATOR, place.operator_password)


def names(email: str) -> tuple[str, str]:
    """A first and a last name made of an address, since an account must have both."""
    words = email.partition("@")[0].replace("_", ".").replace("-", ".").split(".")
    first, *rest = [word.capitalize() for word in words if word] or ["Somebody"]
    return first, " ".join(rest) or "Somebody"
