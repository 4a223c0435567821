"""The databases of the services that run here, by the names of the services."""

from collections.abc import Mapping

from services.local.customer.place import NothingRuns
from services.local.plan import Plan
from services.local.refusals import Refusal
from services.local.state import State

Urls = Mapping[str, str]
"""`postgresql://` addresses by service."""


class UnknownService(Refusal):
    """No service of this name has a database."""


def urls_of(state: State) -> Urls:
    """The database of every service of the system that runs in a state folder.

    :raises NothingRuns: there is none.
    """
    record = state.running()
    if record is None:
        raise NothingRuns
    plan = Plan(state, record.ports)
    return {service: plan.database_url(service) for service in plan.databases}


def only(urls: Urls, service: str | None) -> Urls:
    """The database of one service, or all of them when none is named.

    :raises UnknownService: there is no such service, or it keeps nothing.
    """
    if service is None:
        return urls
    if service not in urls:
        message = f"There is no service {service} with a database. There are: {', '.join(sorted(urls))}."
        raise UnknownService(message)
    return {service: urls[service]}
