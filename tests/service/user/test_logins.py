"""Logging in, refreshing, logging out."""

import asyncio
from datetime import datetime

import pytest
from argon2 import PasswordHasher

from services.user.domain import TooManyFailedLogins
from services.user.operations import logins
from services.user.passwords import Passwords
from services.user.tokens import Signer
from tests.service.doors import Client, Clock, Tokens
from tests.service.user.conftest import PASSWORD, Shop, bearer, claims


async def test_a_login_gives_a_token_that_says_who_one_is(client: Client, shop: Shop) -> None:
    user = (await shop.register()).json()

    login = await shop.log_in(" ADA@example.com")

    body = login.json()
    principal = await client.runtime.keys.verify(body["access_token"])
    assert (login.status_code, body["token_type"], body["expires_in"]) == (200, "bearer", 900)
    assert (str(principal.id), principal.role) == (user["id"], "customer")
    assert claims(login)["exp"] - claims(login)["iat"] == 900
    assert {"iss", "aud", "sub", "role", "sid", "jti"} < set(claims(login))


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(shop: Shop) -> None:
    await shop.register()

    wrong, unknown = await shop.log_in(password="wrong"), await shop.log_in("bob@example.com")

    wrong_problem, unknown_problem = wrong.json(), unknown.json()
    assert wrong_problem.pop("trace_id") != unknown_problem.pop("trace_id")
    assert wrong_problem == unknown_problem
    assert (wrong.status_code, wrong_problem["type"]) == (401, "invalid-credentials")


async def test_after_ten_failures_an_account_waits_even_with_the_right_password(shop: Shop, clock: Clock) -> None:
    await shop.register()
    failures = [(await shop.log_in(password="wrong")).status_code for _ in range(10)]
    clock.advance(seconds=20)

    refused = await shop.log_in()
    clock.advance(seconds=40)
    later = await shop.log_in()

    assert failures == [401] * 10
    assert (refused.status_code, refused.json()["type"]) == (429, "too-many-failed-logins")
    assert refused.headers["retry-after"] == "40"
    assert later.status_code == 200


async def test_guesses_at_the_same_time_gain_nothing(client: Client, shop: Shop) -> None:
    answers = await asyncio.gather(*[shop.log_in(password="wrong") for _ in range(14)])

    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
    assert (await client.rows("SELECT failures FROM login_failure"))[0]["failures"] >= 10


class GuessedMeanwhile(Passwords):
    """While this password is checked, ten other guesses fail."""

    def __init__(self, client: Client, at: datetime) -> None:
        super().__init__()
        self._client, self._at = client, at

    async def fits(self, password: str, password_hash: str | None) -> bool:
        await self._client.rows("INSERT INTO login_failure VALUES (sha256('ada@example.com'), %s, 10)", self._at)
        return await super().fits(password, password_hash)


async def test_a_right_guess_among_many_wrong_ones_is_withheld(client: Client, shop: Shop, clock: Clock) -> None:
    await shop.register()
    passwords, signer = GuessedMeanwhile(client, clock.now), client.runtime.part(Signer)

    with pytest.raises(TooManyFailedLogins):
        await logins.log_in(
            client.runtime.database, passwords, signer, email="ada@example.com", password=PASSWORD, at=clock.now
        )

    passwords.close()
    assert await client.rows("SELECT id FROM login") == []


async def test_a_login_that_crosses_a_deactivation_begins_nothing(client: Client, shop: Shop) -> None:
    await shop.register()
    await client.rows("UPDATE account SET is_active = false WHERE email = 'ada@example.com'")

    answer = await shop.log_in()

    assert (answer.status_code, answer.json()["type"]) == (403, "account-deactivated")
    assert await client.rows("SELECT id FROM login") == []


async def test_other_accounts_do_not_wait(shop: Shop) -> None:
    await shop.register("bob@example.com")
    for _ in range(10):
        await shop.log_in("eve@example.com")

    assert (await shop.log_in("bob@example.com")).status_code == 200


async def test_a_hash_with_dated_parameters_is_renewed_at_login(client: Client, shop: Shop) -> None:
    await shop.register()
    dated = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await client.rows("UPDATE account SET password_hash = %s WHERE email = 'ada@example.com'", dated)

    logins_after = [(await shop.log_in()).status_code for _ in range(2)]

    (row,) = await client.rows("SELECT password_hash FROM account WHERE email = 'ada@example.com'")
    assert logins_after == [200, 200]
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_refresh_gives_a_new_pair_of_the_same_login(shop: Shop) -> None:
    await shop.register()
    login = await shop.log_in()

    refreshed = await shop.refresh(login.json()["refresh_token"])

    assert refreshed.status_code == 200
    assert refreshed.json()["refresh_token"] != login.json()["refresh_token"]
    assert claims(refreshed)["sid"] == claims(login)["sid"]
    assert claims(refreshed)["jti"] != claims(login)["jti"]


async def test_a_refresh_token_used_again_ends_the_whole_login(shop: Shop) -> None:
    await shop.register()
    first = (await shop.log_in()).json()["refresh_token"]
    other_login = (await shop.log_in()).json()["refresh_token"]
    second = (await shop.refresh(first)).json()["refresh_token"]

    again = await shop.refresh(first)

    assert (again.status_code, again.json()["type"]) == (401, "invalid-refresh-token")
    assert (await shop.refresh(second)).status_code == 401
    assert (await shop.refresh(other_login)).status_code == 200


async def test_of_refreshes_at_the_same_time_one_wins_and_the_login_ends(shop: Shop) -> None:
    await shop.register()
    token = (await shop.log_in()).json()["refresh_token"]

    answers = await asyncio.gather(*[shop.refresh(token) for _ in range(4)])

    (winner,) = [answer for answer in answers if answer.status_code == 200]
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert (await shop.refresh(winner.json()["refresh_token"])).status_code == 401


async def test_an_unknown_refresh_token_is_refused(shop: Shop) -> None:
    assert (await shop.refresh("made-up")).status_code == 401


async def test_a_login_cannot_be_refreshed_after_thirty_days(shop: Shop, clock: Clock) -> None:
    await shop.register()
    first = (await shop.log_in()).json()["refresh_token"]
    clock.advance(days=29)
    second = await shop.refresh(first)
    clock.advance(days=1)

    third = await shop.refresh(second.json()["refresh_token"])

    assert (second.status_code, third.status_code) == (200, 401)


async def test_refresh_tokens_are_kept_as_digests_only(client: Client, shop: Shop) -> None:
    await shop.register()
    token = (await shop.log_in()).json()["refresh_token"]

    (row,) = await client.rows("SELECT digest FROM refresh_token")
    assert len(row["digest"]) == 32
    assert token.encode() not in row["digest"]


async def test_logging_out_ends_this_login_and_no_other(client: Client, shop: Shop) -> None:
    await shop.register()
    here, there = await shop.log_in(), await shop.log_in()

    answer = await client.post("/users/logout", headers=bearer(here))

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await shop.refresh(here.json()["refresh_token"])).status_code == 401
    assert (await shop.refresh(there.json()["refresh_token"])).status_code == 200


async def test_a_token_without_a_login_has_nothing_to_end(client: Client, tokens: Tokens) -> None:
    client.runtime.keys = tokens.keys

    answer = await client.post("/users/logout", headers=tokens.headers())

    assert answer.status_code == 204


async def test_old_logins_and_failures_are_forgotten(client: Client, shop: Shop, clock: Clock) -> None:
    await shop.register()
    await shop.log_in()
    await shop.log_in(password="wrong")
    clock.advance(days=32)
    await shop.log_in()

    more = await logins.forget_old(client.runtime)

    assert more is False
    assert len(await client.rows("SELECT id FROM login")) == 1
    assert len(await client.rows("SELECT digest FROM refresh_token")) == 1
    assert await client.rows("SELECT digest FROM login_failure") == []


async def test_everybody_may_read_the_public_keys_and_nothing_private_is_among_them(client: Client) -> None:
    answer = await client.get("/.well-known/jwks.json")

    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert answer.headers["cache-control"] == "public, max-age=300"
