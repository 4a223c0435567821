"""Accounts: registering, names, roles, activity."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from services.shared.identity import Role
from services.user import app
from services.user.passwords import Passwords
from tests.service.doors import Client, Clock, Serve
from tests.service.user.conftest import OPERATOR_PASSWORD, PASSWORD, SECRETS, Shop, bearer


async def test_who_registers_gets_an_account_and_everybody_hears_of_it(client: Client, shop: Shop) -> None:
    answer = await shop.register(" Ada.Lovelace@Example.com ".strip())

    user = answer.json()
    fact = (await client.facts())[-1]
    assert answer.status_code == 201
    assert set(user) == {"id", "email", "first_name", "last_name", "role", "is_active", "created_at", "updated_at"}
    assert (user["email"], user["role"], user["is_active"]) == ("ada.lovelace@example.com", "customer", True)
    assert (fact["type"], fact["topic"], fact["version"]) == ("user.registered", "users", 1)
    assert (str(fact["aggregate_id"]), fact["data"]["first_name"]) == (user["id"], "Ada")


async def test_the_password_is_kept_as_an_argon2id_hash_and_told_to_nobody(client: Client, shop: Shop) -> None:
    await shop.register()

    (row,) = await client.rows("SELECT password_hash FROM account WHERE email = 'ada@example.com'")
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert all("password" not in fact["data"] for fact in await client.facts())


async def test_an_address_is_taken_in_whatever_case_it_is_written(client: Client, shop: Shop) -> None:
    await shop.register("ada@example.com")

    answer = await shop.register("ADA@EXAMPLE.COM")

    assert (answer.status_code, answer.json()["type"]) == (409, "email-taken")
    assert len(await client.facts()) == 2


async def test_of_two_registrations_of_one_address_at_once_one_wins(client: Client, shop: Shop) -> None:
    answers = await asyncio.gather(*[shop.register() for _ in range(4)])

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len(await client.rows("SELECT id FROM account WHERE email = 'ada@example.com'")) == 1
    assert len(await client.facts()) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a@b"),
        ("email", "a@b c.de"),
        ("email", f"{'a' * 250}@example.com"),
        ("password", "1234567"),
        ("password", "x" * 129),
        ("first_name", "  "),
        ("first_name", "x" * 101),
        ("last_name", "a\x00b"),
        ("last_name", 5),
        ("role", "admin"),
    ],
)
async def test_a_registration_that_makes_no_sense_is_refused(
    client: Client, shop: Shop, field: str, value: object
) -> None:
    answer = await shop.register(**{"email": "ada@example.com"} | {field: value})  # type: ignore[arg-type]

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert len(await client.rows("SELECT id FROM account")) == 1


async def test_a_body_that_is_not_json_is_malformed(client: Client) -> None:
    answer = await client.post("/users/register", content=b"{", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["type"]) == (400, "malformed")


async def test_a_user_reads_and_changes_their_own_name(client: Client, shop: Shop, clock: Clock) -> None:
    headers = await shop.customer()
    clock.advance(seconds=5)

    changed = await client.put("/users/profile", json={"first_name": "Ada ", "last_name": "King"}, headers=headers)
    read = await client.get("/users/profile", headers=headers)

    fact = (await client.facts())[-1]
    assert changed.json() == read.json()
    assert (read.json()["first_name"], read.json()["last_name"]) == ("Ada", "King")
    assert read.json()["updated_at"] > read.json()["created_at"]
    assert (fact["type"], fact["version"], fact["data"]["last_name"]) == ("user.changed", 2, "King")


async def test_without_a_token_there_is_no_profile(client: Client) -> None:
    answer = await client.get("/users/profile")

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_an_admin_lists_everybody_the_newest_first_page_by_page(client: Client, shop: Shop, clock: Clock) -> None:
    for name in ("ada", "bob", "eve"):
        clock.advance(seconds=1)
        await shop.register(f"{name}@example.com")
    headers = await shop.operator()

    first = (await client.get("/users?limit=2", headers=headers)).json()
    rest = (await client.get("/users", params={"cursor": first["next_cursor"]}, headers=headers)).json()

    assert [user["email"] for user in first["items"]] == ["eve@example.com", "bob@example.com"]
    assert [user["email"] for user in rest["items"]] == ["ada@example.com", "operator@example.com"]
    assert rest["next_cursor"] is None


async def test_a_cursor_that_nobody_gave_is_refused(client: Client, shop: Shop) -> None:
    answer = await client.get("/users?cursor=nonsense", headers=await shop.operator())

    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-cursor")


async def test_administration_is_for_admins(client: Client, shop: Shop) -> None:
    user = (await shop.register()).json()
    headers = bearer(await shop.log_in())

    answers = [
        await client.get("/users", headers=headers),
        await client.get(f"/users/{user['id']}", headers=headers),
        await client.put(f"/users/{user['id']}/role", json={"role": "admin"}, headers=headers),
        await client.put(f"/users/{user['id']}/active", json={"is_active": True}, headers=headers),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4


async def test_an_admin_makes_somebody_staff_and_their_next_refresh_says_so(client: Client, shop: Shop) -> None:
    user = (await shop.register()).json()
    login = (await shop.log_in()).json()

    answer = await client.put(f"/users/{user['id']}/role", json={"role": "staff"}, headers=await shop.operator())
    refreshed = await shop.refresh(login["refresh_token"])

    principal = await client.runtime.keys.verify(refreshed.json()["access_token"])
    assert (answer.status_code, answer.json()["role"]) == (200, "staff")
    assert principal.role is Role.STAFF
    assert (await client.facts())[-1]["data"]["role"] == "staff"


async def test_a_role_that_does_not_exist_is_refused(client: Client, shop: Shop) -> None:
    user = (await shop.register()).json()

    answer = await client.put(f"/users/{user['id']}/role", json={"role": "king"}, headers=await shop.operator())

    assert answer.status_code == 422


async def test_what_does_not_exist_is_not_found(client: Client, shop: Shop) -> None:
    headers = await shop.operator()

    answers = [
        await client.get(f"/users/{uuid4()}", headers=headers),
        await client.get("/users/not-an-id", headers=headers),
        await client.put(f"/users/{uuid4()}/active", json={"is_active": False}, headers=headers),
    ]

    assert [answer.status_code for answer in answers] == [404] * 3


async def test_a_deactivated_user_can_neither_log_in_nor_refresh(client: Client, shop: Shop) -> None:
    user = (await shop.register()).json()
    login = (await shop.log_in()).json()
    path, headers = f"/users/{user['id']}/active", await shop.operator()

    kept_out = await client.put(path, json={"is_active": False}, headers=headers)
    refused = [await shop.log_in(), await shop.refresh(login["refresh_token"])]
    await client.put(path, json={"is_active": True}, headers=headers)
    back, old_login = await shop.log_in(), await shop.refresh(login["refresh_token"])

    assert kept_out.json()["is_active"] is False
    assert [answer.json()["type"] for answer in refused] == ["account-deactivated", "invalid-refresh-token"]
    assert (back.status_code, old_login.status_code) == (200, 401)


@pytest.mark.parametrize(("what", "body"), [("role", {"role": "staff"}), ("active", {"is_active": False})])
async def test_the_last_admin_cannot_lock_everybody_out(
    client: Client, shop: Shop, what: str, body: dict[str, object]
) -> None:
    headers = await shop.operator()
    operator = (await client.get("/users/profile", headers=headers)).json()

    answer = await client.put(f"/users/{operator['id']}/{what}", json=body, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (409, "last-admin")


async def test_of_two_admins_who_dismiss_each_other_at_once_one_stays(client: Client, shop: Shop) -> None:
    operator = (await client.get("/users/profile", headers=await shop.operator())).json()
    other = (await shop.register()).json()
    await client.put(f"/users/{other['id']}/role", json={"role": "admin"}, headers=await shop.operator())
    headers = [await shop.operator(), bearer(await shop.log_in())]

    answers = await asyncio.gather(
        client.put(f"/users/{other['id']}/role", json={"role": "customer"}, headers=headers[0]),
        client.put(f"/users/{operator['id']}/active", json={"is_active": False}, headers=headers[1]),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await client.rows("SELECT id FROM account WHERE role = 'admin' AND is_active")) == 1


async def test_the_operator_is_registered_once_and_keeps_their_password(client: Client, serve: Serve) -> None:
    async with serve("user", app.create, secrets=SECRETS | {"operator-password": "another one"}) as again:
        login = await Shop(again).log_in("operator@example.com", OPERATOR_PASSWORD)

        assert login.status_code == 200
        assert len(await client.rows("SELECT id FROM account")) == 1
        assert len(await client.facts()) == 1


async def test_two_replicas_that_start_at_once_register_one_operator(
    serve: Serve, database_of: Callable[[str], str]
) -> None:
    database_of("user")

    async def start() -> int:
        async with serve("user", app.create, secrets=SECRETS) as client:
            return len(await client.rows("SELECT id FROM account"))

    assert await asyncio.gather(*[start() for _ in range(3)]) == [1, 1, 1]


async def test_when_too_many_wait_for_a_hash_the_next_is_sent_away(client: Client, shop: Shop) -> None:
    passwords = client.runtime.part(Passwords)
    waiting = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(100)]
    await asyncio.sleep(0)

    answer = await shop.register()

    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (answer.status_code, answer.json()["type"]) == (503, "too-many-logins")
    assert answer.headers["retry-after"] == "1"
