"""Rate limits: what counts against what, and what happens without Redis."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from structlog.testing import capture_logs

from services.gateway.rates import ADDRESS, Rates, network
from services.shared.identity import Role
from tests.conditions import free_port
from tests.service.doors import Tokens
from tests.service.gateway.conftest import Open, Visitor, Wire

TINY = 1 / 200
"""6 requests an address or a customer, 30 of staff, 2 registrations and 1 failed login, a minute."""


def limits(answer: Any) -> tuple[str, str]:
    return answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]


async def test_every_answer_tells_how_one_stands(visitor: Visitor, tokens: Tokens) -> None:
    paths = ["/api/v1/products", "/api/v1/orders", "/api/v1/nothing", "/api/v9", "/docs", "/nowhere"]

    answers = [await visitor.get(path) for path in paths]
    staff = await visitor.get("/api/v1/orders", headers=tokens.headers(Role.STAFF))
    customer = await visitor.get("/api/v1/orders", headers=tokens.headers())
    registration = await visitor.post("/api/v1/users/register", json={})

    assert [limits(answer) for answer in answers] == [("1200", str(1200 - n)) for n in range(1, 7)]
    assert all(0 < int(answer.headers["ratelimit-reset"]) <= 60 for answer in answers)
    assert [limits(answer) for answer in (staff, customer)] == [("6000", "5999"), ("1200", "1199")]
    assert limits(registration) == ("300", "299")


async def test_the_one_request_too_many_is_refused_and_not_forwarded(gateway: Open, wire: Wire) -> None:
    async with gateway(sidecart_rate_limit_factor=TINY) as visitor:
        answers = [await visitor.get("/api/v1/products") for _ in range(7)]
        page = await visitor.get("/docs")

    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert answers[-1].json()["type"] == "too-many-requests"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert limits(answers[-1]) == ("6", "0")
    assert len(wire.seen) == 6
    assert page.status_code == 429


async def test_customers_at_one_address_do_not_share_a_limit(gateway: Open, tokens: Tokens) -> None:
    async with gateway(sidecart_rate_limit_factor=TINY) as visitor:
        ada = tokens.headers(user_id=uuid4())
        adas = [await visitor.get("/api/v1/products", headers=ada) for _ in range(7)]
        bobs = await visitor.get("/api/v1/products", headers=tokens.headers(user_id=uuid4()))
        nobodys = await visitor.get("/api/v1/products")

    assert adas[-1].status_code == 429
    assert (bobs.status_code, nobodys.status_code) == (200, 200)


async def test_a_forged_token_counts_against_the_address(gateway: Open) -> None:
    async with gateway(sidecart_rate_limit_factor=TINY) as visitor:
        answers = [await visitor.get("/api/v1/orders", headers=Tokens().headers(user_id=uuid4())) for _ in range(7)]

    assert [answer.status_code for answer in answers] == [401] * 6 + [429]


async def test_addresses_do_not_share_a_limit_and_replicas_do(gateway: Open) -> None:
    async with gateway(sidecart_rate_limit_factor=TINY) as here, gateway(sidecart_rate_limit_factor=TINY) as replica:
        statuses = [(await door.get("/api/v1/products")).status_code for _ in range(4) for door in (here, replica)]
    async with gateway(sidecart_rate_limit_factor=TINY, address="192.0.2.9") as elsewhere:
        other = await elsewhere.get("/api/v1/products")

    assert statuses == [200] * 6 + [429] * 2
    assert other.status_code == 200


async def test_registrations_have_a_limit_of_their_own(gateway: Open) -> None:
    async with gateway(sidecart_rate_limit_factor=TINY) as visitor:
        registrations = [(await visitor.post("/api/v1/users/register", json={})).status_code for _ in range(3)]
        read = await visitor.get("/api/v1/products")

    assert registrations == [200, 200, 429]
    assert read.status_code == 200


async def test_an_address_whose_logins_fail_has_to_wait(gateway: Open, wire: Wire) -> None:
    async with gateway(sidecart_rate_limit_factor=TINY) as visitor:
        good = [(await visitor.post("/api/v1/users/login", json={})).status_code for _ in range(2)]
        wire.answer("user", "/users/login", status=401)
        bad = [(await visitor.post("/api/v1/users/login", json={})).status_code for _ in range(2)]
        read = await visitor.get("/api/v1/products")

    assert good == [200, 200]
    assert bad == [401, 429]
    assert read.status_code == 200


async def test_webhooks_may_come_in_bursts(visitor: Visitor) -> None:
    answer = await visitor.post("/api/v1/webhooks/stripe", json={})

    assert limits(answer) == ("6000", "5999")


async def test_a_window_ends_a_minute_after_its_first_request(redis_url: str) -> None:
    rates = Rates(redis_url)
    replica = Rates(redis_url)
    first = await rates.count(ADDRESS, "somebody")
    with Redis.from_url(redis_url) as redis:
        (key,) = redis.keys()
        redis.expire(key, 10)

    elsewhere = await replica.count(ADDRESS, "somebody")

    assert (first.used, first.reset) == (1, 60)
    assert (elsewhere.used, elsewhere.reset) == (2, 10)
    await rates.close()
    await replica.close()


async def test_counting_is_one_round_trip(redis_url: str) -> None:
    rates = Rates(redis_url)
    for _ in range(3):
        await rates.count(ADDRESS, "somebody")
    with Redis.from_url(redis_url) as redis:
        before = _commands(redis)
        for _ in range(10):
            await rates.count(ADDRESS, "somebody")
        after = _commands(redis)

    await rates.close()
    assert after - before == 10


def _commands(redis: Redis) -> int:
    """Calls from outside; what a script calls is counted apart."""
    return int(redis.info("commandstats")["cmdstat_evalsha"]["calls"])


async def test_while_redis_is_away_requests_flow_and_are_counted_here(gateway: Open) -> None:
    url = f"redis://:test@127.0.0.1:{free_port()}/0"
    async with gateway(url=url, sidecart_rate_limit_factor=TINY) as visitor:
        with capture_logs() as logs:
            answers = [await visitor.get("/api/v1/products") for _ in range(7)]

    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert [line["event"] for line in logs].count("rates.redis_away") == 1


async def test_when_redis_is_back_it_counts_again(redis_url: str) -> None:
    rates = Rates(redis_url, rest_seconds=0)
    with Redis.from_url(redis_url) as redis:
        redis.config_set("requirepass", "other")
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        away = [await rates.count(ADDRESS, "somebody") for _ in range(2)]
        redis.config_set("requirepass", "test")
    back = await rates.count(ADDRESS, "somebody")

    await rates.close()
    assert [standing.used for standing in away] == [1, 2]
    assert back.used == 1


async def test_what_is_remembered_is_bounded(redis_url: str) -> None:
    rates = Rates(redis_url, most_remembered=2)
    standings = [await rates.count(ADDRESS, name) for name in ("ada", "bob", "eve", "ada")]

    await rates.close()
    assert [standing.used for standing in standings] == [1, 1, 1, 2]
    assert all(59 <= standing.reset <= 60 for standing in standings)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("a unix socket", "unknown"),
    ],
)
def test_an_address_is_the_network_that_its_owner_has(address: str, counted: str) -> None:
    assert network(address) == counted


async def test_counts_at_the_same_time_are_all_counted(redis_url: str) -> None:
    rates = Rates(redis_url)

    standings = await asyncio.gather(*[rates.count(ADDRESS, "somebody") for _ in range(50)])

    await rates.close()
    assert sorted(standing.used for standing in standings) == list(range(1, 51))
