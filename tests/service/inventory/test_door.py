"""The gRPC door: who gets in, what trace a call belongs to, and what the sidecar is told."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from dapr.proto.common.v1.common_pb2 import InvokeRequest
from dapr.proto.runtime.v1 import appcallback_pb2, appcallback_pb2_grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from grpc import StatusCode

from services.contracts.answers import FactsAgain, FactsAsked, FactsMissed, PublishedFacts
from services.contracts.events import OrderPlaced, StockHeld, Topic
from services.contracts.proto.inventory_pb2 import GetLevelsRequest, Line, ReserveRequest
from services.inventory import app, subscriptions
from services.shared import dead_letters
from services.shared.database import Database
from services.shared.errors import Unauthenticated
from services.shared.grpc_door import Call
from services.shared.identity import Role
from services.shared.pages import encode_cursor
from tests.conditions import eventually, free_port
from tests.service.doors import World
from tests.service.inventory.conftest import SETTINGS, Inventory
from tests.service.inventory.orders import opening, order_event

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def refusal(method: Any, request: Any, metadata: list[tuple[str, Any]]) -> tuple[StatusCode, str | None]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await method(request, metadata=metadata)
    return refused.value.code(), refused.value.details()


def called_by(inventory: Inventory, *peers: str) -> list[tuple[str, str]]:
    """A customer's call, by way of these applications."""
    sent = [one for one in inventory.metadata(Role.CUSTOMER) if one[0] != "dapr-caller-app-id"]
    return [*sent, *(("dapr-caller-app-id", peer) for peer in peers)]


@pytest.mark.parametrize("sent", [[], [("dapr-api-token", "wrong")], [("dapr-api-token", "")]])
async def test_only_the_own_sidecar_gets_in(inventory: Inventory, sent: list[tuple[str, str]]) -> None:
    metadata = [*sent, *inventory.metadata(Role.STAFF)[1:]]

    assert await refusal(inventory.stub.GetLevels, GetLevelsRequest(), metadata) == (
        StatusCode.UNAUTHENTICATED,
        "unauthenticated",
    )


@pytest.mark.parametrize(
    ("authorization", "slug"),
    [(None, "unauthenticated"), ("Basic x", "unauthenticated"), ("Bearer x.y.z", "token-invalid")],
)
async def test_a_method_for_users_demands_a_good_token(
    inventory: Inventory, authorization: str | None, slug: str
) -> None:
    metadata = inventory.metadata() + ([("authorization", authorization)] if authorization else [])

    assert await refusal(inventory.stub.Reserve, ReserveRequest(), metadata) == (StatusCode.UNAUTHENTICATED, slug)


async def test_a_customer_may_neither_read_nor_change_levels(inventory: Inventory) -> None:
    metadata = inventory.metadata(Role.CUSTOMER)

    assert await refusal(inventory.stub.GetLevels, GetLevelsRequest(), metadata) == (
        StatusCode.PERMISSION_DENIED,
        "forbidden",
    )


@pytest.mark.parametrize("peers", [[], ["product"], ["order", "product"], ["order,product"]])
async def test_the_last_named_peer_counts_and_others_may_not_hold_stock(inventory: Inventory, peers: list[str]) -> None:
    assert await refusal(inventory.stub.Reserve, ReserveRequest(), called_by(inventory, *peers)) == (
        StatusCode.PERMISSION_DENIED,
        "forbidden",
    )


async def test_a_forged_peer_before_the_real_one_does_no_harm(inventory: Inventory) -> None:
    assert await refusal(inventory.stub.Reserve, ReserveRequest(), called_by(inventory, "gateway", "order")) == (
        StatusCode.INVALID_ARGUMENT,
        "id-invalid",
    )


async def test_a_method_that_asks_for_no_user_has_none(inventory: Inventory) -> None:
    with pytest.raises(Unauthenticated):
        _ = Call(runtime=inventory.runtime).user


@pytest.mark.parametrize(
    ("parent", "is_continued"),
    [(f"00-{TRACE}-b7ad6b7169203331-01", True), ("nonsense", False), (None, False)],
)
async def test_a_fact_belongs_to_the_callers_trace_or_begins_one(
    inventory: Inventory,
    parent: str | None,
    is_continued: bool,  # noqa: FBT001 - a column
) -> None:
    (lamp,) = await inventory.stocked(5)
    request = ReserveRequest(order_id=str(uuid4()), lines=[Line(product_id=str(lamp), quantity=1)])
    sent = [("traceparent", parent)] if parent else []

    await inventory.stub.Reserve(request, metadata=[*inventory.metadata(Role.CUSTOMER), *sent])

    trace = (await inventory.facts())[-1]["traceparent"].split("-")[1]
    assert len(trace) == 32
    assert (trace == TRACE) is is_continued


async def test_a_store_that_is_away_is_unavailable(inventory: Inventory) -> None:
    await inventory.runtime.database.close()
    inventory.runtime.databases[0] = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    line = Line(product_id=str(uuid4()), quantity=1)

    found = [
        await refusal(inventory.stub.GetLevels, GetLevelsRequest(), inventory.metadata(Role.STAFF)),
        await refusal(
            inventory.stub.Reserve,
            ReserveRequest(order_id=str(uuid4()), lines=[line]),
            inventory.metadata(Role.CUSTOMER),
        ),
    ]

    assert found == [(StatusCode.UNAVAILABLE, "store-unavailable")] * 2


async def test_a_bug_is_an_internal_error_without_details(inventory: Inventory) -> None:
    await inventory.rows("ALTER TABLE stock_level RENAME TO elsewhere")

    found = await refusal(inventory.stub.GetLevels, GetLevelsRequest(), inventory.metadata(Role.STAFF))
    await inventory.rows("ALTER TABLE elsewhere RENAME TO stock_level")

    assert found == (StatusCode.INTERNAL, "internal-error")


async def test_the_sidecar_asks_for_subscriptions_bindings_and_health_without_a_token(inventory: Inventory) -> None:
    health = appcallback_pb2_grpc.AppCallbackHealthCheckStub(inventory.channel)  # type: ignore[no-untyped-call]  # generated

    await health.HealthCheck(Empty())
    bindings = await inventory.callbacks.ListInputBindings(Empty())
    found = await inventory.callbacks.ListTopicSubscriptions(Empty())

    assert list(bindings.bindings) == []
    assert {(one.pubsub_name, one.topic, one.dead_letter_topic) for one in found.subscriptions} == {
        ("events", "opening-stock", "dead-letters.inventory"),
        ("events", "orders", "dead-letters.inventory"),
        ("dead-letters", "dead-letters.inventory", ""),
    }


async def test_events_come_with_the_token_only(inventory: Inventory) -> None:
    request = appcallback_pb2.TopicEventRequest(type="order.placed", data=b"{}")

    assert await refusal(inventory.callbacks.OnTopicEvent, request, []) == (
        StatusCode.UNAUTHENTICATED,
        "unauthenticated",
    )


@pytest.mark.parametrize("data", [b"{}", b"not json", b"", b"[1]"])
async def test_what_cannot_be_parsed_is_dropped(inventory: Inventory, data: bytes) -> None:
    assert await inventory.deliver(order_event(OrderPlaced, uuid4(), 1), data=data) == "DROP"


async def test_what_nobody_here_handles_is_done(inventory: Inventory) -> None:
    assert await inventory.deliver(order_event(OrderPlaced, uuid4(), 1), type="order.delivered") == "SUCCESS"


async def test_an_event_belongs_to_its_publishers_trace(inventory: Inventory) -> None:
    extensions = Struct()
    extensions.update({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})

    await inventory.deliver(opening((uuid4(), 5)), extensions=extensions)

    assert (await inventory.facts())[0]["traceparent"].split("-")[1] == TRACE


async def test_a_dead_letter_is_parked_and_dispatched_again_later(inventory: Inventory, world: World) -> None:
    lamp = uuid4()
    told = await inventory.deliver(opening((lamp, 5)), pubsub_name="dead-letters", topic="dead-letters.inventory")
    world.clock.advance(seconds=2)

    dispatched = await dead_letters.dispatch_one(inventory.runtime, subscriptions.door)

    assert (told, dispatched) == ("SUCCESS", True)
    assert await inventory.level(lamp) == (5, 0)
    assert await inventory.rows("SELECT * FROM parked_letter") == []


async def test_a_dead_letter_without_json_is_kept_as_it_came(inventory: Inventory) -> None:
    await inventory.deliver(opening((uuid4(), 5)), pubsub_name="dead-letters", data=b"\xff")

    (parked,) = await inventory.rows("SELECT letter FROM parked_letter")
    assert parked["letter"]["data"] == "ff"


async def test_a_dead_letter_is_kept_however_deep_it_is_nested(inventory: Inventory) -> None:
    for depth in range(880, 980):
        data = b"[" * depth + b"]" * depth
        told = await inventory.deliver(opening((uuid4(), 5)), pubsub_name="dead-letters", data=data, id=str(depth))
        assert told == "SUCCESS", depth


async def test_a_call_that_has_begun_is_finished_before_the_service_stops(world: World) -> None:
    settings = SETTINGS.model_copy(update={"app_port": free_port()})
    lamp, target = UUID(int=7), f"127.0.0.1:{settings.app_port}"
    async with (
        grpc.aio.insecure_channel(target) as channel,
        await psycopg.AsyncConnection.connect(world.database_of("inventory")) as other,
    ):
        async with app.create(world.start("inventory"), settings).serving() as (runtime, port):
            client = Inventory(runtime=runtime, port=port, tokens=world.tokens, channel=channel)
            await other.execute("LOCK TABLE stock_level")
            setting = asyncio.create_task(client.set_level(lamp, on_hand=1))
            await eventually(lambda: client.rows("SELECT pid FROM pg_locks WHERE NOT granted"))
            letting_go = asyncio.create_task(other.rollback())
        await letting_go

        assert (await setting).level.on_hand == 1


async def test_the_service_runs_until_it_is_told_to_stop(world: World) -> None:
    running = asyncio.create_task(app.create(world.start("inventory"), SETTINGS).until_stopped())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)

    await asyncio.wait_for(running, 10)


async def ask(inventory: Inventory, path: str, body: str, metadata: list[tuple[str, str]] | None = None) -> bytes:
    """Ask over the sidecar's way of calling an application that speaks gRPC."""
    request = InvokeRequest(method=path, data=AnyMessage(value=body.encode()))
    answer = await inventory.callbacks.OnInvoke(
        request, metadata=inventory.metadata() if metadata is None else metadata
    )
    return bytes(answer.data.value)


async def test_whoever_hears_of_stock_may_ask_what_got_lost(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(5)
    line = Line(product_id=str(lamp), quantity=1)
    request = ReserveRequest(order_id=str(uuid4()), lines=[line])
    await inventory.stub.Reserve(request, metadata=inventory.metadata(Role.CUSTOMER))
    await inventory.rows("UPDATE outbox SET published_at = now() - interval '2 minutes'")
    start = encode_cursor((datetime.now(UTC) - timedelta(hours=1)).isoformat(), 0)
    question = FactsAsked(topic=Topic.STOCK, types=[StockHeld.TYPE], position=start)

    page = PublishedFacts.model_validate_json(await ask(inventory, "internal/facts", question.model_dump_json()))
    missed = FactsMissed(topic=Topic.STOCK, event_ids=[page.facts[0].event_id])
    again = FactsAgain.model_validate_json(await ask(inventory, "internal/facts/again", missed.model_dump_json()))

    assert ([fact.type for fact in page.facts], again.number) == ([StockHeld.TYPE], 1)
    waiting = await inventory.rows("SELECT type FROM outbox WHERE published_at IS NULL")
    assert waiting == [{"type": StockHeld.TYPE}]


@pytest.mark.parametrize(
    ("path", "body", "metadata", "refused"),
    [
        ("internal/facts", "{}", [], (StatusCode.UNAUTHENTICATED, "unauthenticated")),
        ("internal/facts", "{", None, (StatusCode.INVALID_ARGUMENT, "question-invalid")),
        ("internal/levels", "{}", None, (StatusCode.NOT_FOUND, "question-unknown")),
    ],
)
async def test_other_questions_are_refused(
    inventory: Inventory,
    path: str,
    body: str,
    metadata: list[tuple[str, str]] | None,
    refused: tuple[StatusCode, str],
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await ask(inventory, path, body, metadata)

    assert (found.value.code(), found.value.details()) == refused
