"""The double and the SDK's provider behave alike; what only the wire can do is tried on the wire."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp.web
import pytest

from services.payment.clients import stripe_provider
from services.payment.clients.provider import CallInvalid, OutcomeUnknown, Provider, ProviderBroken
from services.payment.clients.provider_double import Fault
from services.payment.domain.intents import DisputeStatus, FundsMoved, IntentStatus, RefundStatus
from tests.conditions import free_port
from tests.service.payment.banks import API_KEY, Bank, provider_of

both = pytest.mark.parametrize("bank", ["double", "stripe"], indirect=True)


@pytest.fixture
async def provider(bank: Bank) -> AsyncIterator[Provider]:
    async with provider_of(bank) as provider:
        yield provider


async def opened(provider: Provider) -> str:
    order_id = str(uuid4())
    intent = await provider.create(
        key=f"pi:{order_id}", amount_minor=2500, currency="EUR", metadata={"order_id": order_id}
    )
    assert intent.status is IntentStatus.REQUIRES_PAYMENT_METHOD
    return intent.id


async def charged(provider: Provider) -> str:
    intent_id = await opened(provider)
    intent = await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_visa")
    assert (intent.status, intent.received_minor) == (IntentStatus.SUCCEEDED, 2500)
    return intent_id


@both
async def test_the_same_key_opens_the_same_intent(provider: Provider) -> None:
    key = str(uuid4())

    intents = [
        await provider.create(key=key, amount_minor=2500, currency="EUR", metadata={}),
        await provider.create(key=key, amount_minor=2500, currency="EUR", metadata={}),
    ]

    assert intents[0] == intents[1]


@both
async def test_an_intent_stands_as_its_last_confirmation_left_it(provider: Provider) -> None:
    intent_id = await opened(provider)

    declined = await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_chargeDeclined")
    waiting = await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_authenticationRequired")

    assert (declined.status, declined.decline_code) == (IntentStatus.REQUIRES_PAYMENT_METHOD, "generic_decline")
    assert waiting.status is IntentStatus.REQUIRES_ACTION
    assert (waiting.next_action and waiting.next_action.type) == "redirect_to_url"
    found = await provider.retrieve(intent_id)
    assert (found.status, found.next_action) == (waiting.status, waiting.next_action)


@both
async def test_what_has_succeeded_is_neither_confirmed_nor_canceled_again(provider: Provider) -> None:
    intent_id = await charged(provider)

    confirmed = await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_visa")
    canceled = await provider.cancel(intent_id)

    assert (confirmed.status, canceled.status) == (IntentStatus.SUCCEEDED, IntentStatus.SUCCEEDED)


@both
async def test_what_is_canceled_takes_no_money(provider: Provider) -> None:
    intent_id = await opened(provider)

    canceled = [await provider.cancel(intent_id), await provider.cancel(intent_id)]
    confirmed = await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_visa")

    assert {intent.status for intent in [*canceled, confirmed]} == {IntentStatus.CANCELED}


@both
async def test_an_unknown_payment_method_and_a_tiny_amount_are_invalid(provider: Provider) -> None:
    intent_id = await opened(provider)

    with pytest.raises(CallInvalid) as unknown:
        await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_nobodyknows")
    with pytest.raises(CallInvalid) as tiny:
        await provider.create(key=str(uuid4()), amount_minor=1, currency="EUR", metadata={})

    assert (unknown.value.code, unknown.value.param) == ("resource_missing", "payment_method")
    assert (tiny.value.code, tiny.value.param) == ("amount_too_small", "amount")


@both
async def test_an_intent_that_is_denied_has_an_unknown_outcome(provider: Provider) -> None:
    with pytest.raises(OutcomeUnknown):
        await provider.retrieve("pi_nobodyknows")
    with pytest.raises(OutcomeUnknown):
        await provider.cancel("pi_nobodyknows")


@both
async def test_a_refund_is_made_once_and_found_by_our_id(provider: Provider) -> None:
    intent_id, refund_id = await charged(provider), str(uuid4())

    made = [
        await provider.refund(intent_id, key=f"refund:{refund_id}", amount_minor=1000, refund_id=refund_id)
        for _ in range(2)
    ]

    assert made[0] == made[1]
    assert made[0].status is RefundStatus.SUCCEEDED
    assert await provider.find_refund(intent_id, refund_id=refund_id) == made[0]
    assert await provider.find_refund(intent_id, refund_id=str(uuid4())) is None
    assert await provider.retrieve_refund(made[0].id) == made[0]


@both
async def test_a_refund_is_found_among_more_than_a_page_of_them(provider: Provider) -> None:
    intent_id, refund_id = await charged(provider), str(uuid4())

    first = await provider.refund(intent_id, key=str(uuid4()), amount_minor=1, refund_id=refund_id)
    for _ in range(100):
        await provider.refund(intent_id, key=str(uuid4()), amount_minor=1, refund_id=str(uuid4()))

    assert await provider.find_refund(intent_id, refund_id=refund_id) == first


@both
async def test_more_than_was_captured_is_not_refunded(provider: Provider) -> None:
    intent_id = await charged(provider)

    with pytest.raises(CallInvalid):
        await provider.refund(intent_id, key=str(uuid4()), amount_minor=2501, refund_id=str(uuid4()))
    with pytest.raises(CallInvalid):
        await provider.retrieve_refund("re_nobodyknows")


@both
@pytest.mark.parametrize("outcome", [DisputeStatus.WON, DisputeStatus.LOST])
async def test_a_dispute_takes_the_money_and_a_fee_and_brings_it_back_when_it_is_won(
    provider: Provider, bank: Bank, outcome: DisputeStatus
) -> None:
    intent_id = await charged(provider)
    reference = await bank.dispute(intent_id, amount_minor=1000)

    opened = await provider.retrieve_dispute(reference)
    await bank.close_dispute(reference, outcome)
    closed = await provider.retrieve_dispute(reference)

    assert (opened.id, opened.intent_id, opened.status) == (reference, intent_id, DisputeStatus.OPEN)
    assert (opened.amount_minor, opened.currency, opened.reason) == (1000, "EUR", "fraudulent")
    assert opened.withdrawn is not None
    assert (opened.withdrawn.amount_minor, opened.withdrawn.fee_minor > 0, opened.reinstated) == (1000, True, None)
    assert (closed.status, closed.withdrawn) == (outcome, opened.withdrawn)
    reinstated = FundsMoved(amount_minor=1000, fee_minor=0, currency="EUR") if outcome is DisputeStatus.WON else None
    assert closed.reinstated == reinstated


@both
async def test_an_inquiry_takes_nothing(provider: Provider, bank: Bank) -> None:
    intent_id = await charged(provider)
    reference = await bank.dispute(intent_id, is_inquiry=True)

    inquiry = await provider.retrieve_dispute(reference)
    refund = await provider.refund(intent_id, key=str(uuid4()), amount_minor=1000, refund_id=str(uuid4()))
    await bank.close_dispute(reference, DisputeStatus.DROPPED)

    assert (inquiry.status, inquiry.withdrawn, inquiry.reinstated) == (DisputeStatus.INQUIRY, None, None)
    assert refund.status is RefundStatus.SUCCEEDED
    assert (await provider.retrieve_dispute(reference)).status is DisputeStatus.DROPPED


@both
@pytest.mark.parametrize("outcome", [None, DisputeStatus.LOST])
async def test_what_is_disputed_or_lost_is_not_refunded(
    provider: Provider, bank: Bank, outcome: DisputeStatus | None
) -> None:
    intent_id = await charged(provider)
    reference = await bank.dispute(intent_id, amount_minor=1000)
    if outcome is not None:
        await bank.close_dispute(reference, outcome)

    with pytest.raises(CallInvalid) as refused:
        await provider.refund(intent_id, key=str(uuid4()), amount_minor=500, refund_id=str(uuid4()))

    assert refused.value.code == "charge_disputed"


@both
async def test_a_dispute_that_nobody_knows_is_invalid(provider: Provider) -> None:
    with pytest.raises(CallInvalid):
        await provider.retrieve_dispute("du_nobodyknows")


@both
@pytest.mark.parametrize("fault", [Fault.DROP_REQUEST, Fault.DROP_ANSWER])
async def test_a_call_without_an_answer_has_an_unknown_outcome_until_it_is_repeated(
    provider: Provider, bank: Bank, fault: Fault
) -> None:
    intent_id, key = await opened(provider), str(uuid4())
    await bank.go_wrong("confirm", fault)

    with pytest.raises(OutcomeUnknown):
        await provider.confirm(intent_id, key=key, payment_method="pm_card_visa")

    again = await provider.confirm(intent_id, key=key, payment_method="pm_card_visa")
    assert again.status is IntentStatus.SUCCEEDED


@both
async def test_an_error_of_the_provider_sticks_to_its_key(provider: Provider, bank: Bank) -> None:
    intent_id, key = await opened(provider), str(uuid4())
    await bank.go_wrong("confirm", Fault.ERROR_500)

    for _ in range(2):
        with pytest.raises(ProviderBroken):
            await provider.confirm(intent_id, key=key, payment_method="pm_card_visa")

    other = await provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_visa")
    assert other.status is IntentStatus.SUCCEEDED


@both
async def test_an_error_that_sticks_to_a_key_may_hide_that_the_money_was_taken(provider: Provider, bank: Bank) -> None:
    intent_id, key = await opened(provider), str(uuid4())
    await bank.go_wrong("confirm", Fault.ERROR_500_AFTER)

    for _ in range(2):
        with pytest.raises(ProviderBroken):
            await provider.confirm(intent_id, key=key, payment_method="pm_card_visa")

    assert (await provider.retrieve(intent_id)).status is IntentStatus.SUCCEEDED


@both
async def test_an_error_that_sticks_to_a_key_may_hide_a_refund(provider: Provider, bank: Bank) -> None:
    intent_id, key, refund_id = await charged(provider), str(uuid4()), str(uuid4())
    await bank.go_wrong("refund", Fault.ERROR_500_AFTER)

    for _ in range(2):
        with pytest.raises(ProviderBroken):
            await provider.refund(intent_id, key=key, amount_minor=500, refund_id=refund_id)

    assert await provider.find_refund(intent_id, refund_id=refund_id) is not None


@pytest.mark.parametrize("bank", ["stripe"], indirect=True)
async def test_the_same_call_made_twice_at_once_waits_for_the_first(provider: Provider) -> None:
    intent_id, key = await opened(provider), str(uuid4())

    both_of_them = await asyncio.gather(
        *(provider.confirm(intent_id, key=key, payment_method="pm_card_visa") for _ in range(2))
    )

    assert both_of_them[0] == both_of_them[1]


async def answered_with(status: int, body: dict[str, object]) -> AsyncIterator[str]:
    async def answer(_: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.json_response(body, status=status)

    app = aiohttp.web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def answering(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async for address in answered_with(*request.param):
        yield address


@pytest.mark.parametrize(
    "answering",
    [
        (429, {"error": {"type": "api_error"}}),
        (409, {"error": {"type": "api_error", "code": "idempotency_key_in_use"}}),
        (401, {"error": {"type": "invalid_request_error"}}),
        (400, {"error": {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}}),
        (502, {}),
        (503, {"error": {"type": "api_error"}}),
        (504, {}),
    ],
    indirect=True,
)
async def test_what_is_no_answer_about_the_call_leaves_its_outcome_unknown(answering: str) -> None:
    async with stripe_provider.connect(api_key=API_KEY, address=answering, return_url=None, seconds=2) as provider:
        with pytest.raises(OutcomeUnknown) as unknown:
            await provider.confirm("pi_1", key="k", payment_method="pm_card_visa")
    assert not isinstance(unknown.value, ProviderBroken)


@pytest.mark.parametrize(
    "answering",
    [(500, {"error": {"type": "api_error"}}), (400, {"error": {"type": "idempotency_error"}})],
    indirect=True,
)
async def test_what_the_provider_keeps_with_the_key_is_no_silence(answering: str) -> None:
    async with stripe_provider.connect(api_key=API_KEY, address=answering, return_url=None, seconds=2) as provider:
        with pytest.raises(ProviderBroken):
            await provider.confirm("pi_1", key="k", payment_method="pm_card_visa")


@pytest.mark.parametrize(
    "answering", [(404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}})], indirect=True
)
async def test_refunds_of_an_intent_that_is_denied_are_no_answer(answering: str) -> None:
    async with stripe_provider.connect(api_key=API_KEY, address=answering, return_url=None, seconds=2) as provider:
        with pytest.raises(OutcomeUnknown):
            await provider.find_refund("pi_1", refund_id=str(uuid4()))


@pytest.mark.parametrize(
    "answering",
    [
        (
            200,
            {
                "id": "pi_1",
                "object": "payment_intent",
                "status": "requires_action",
                "amount_received": 0,
                "last_payment_error": None,
                "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
            },
        )
    ],
    indirect=True,
)
async def test_an_action_without_a_page_has_no_address(answering: str) -> None:
    async with stripe_provider.connect(
        api_key=API_KEY, address=answering, return_url="https://shop.example/back", seconds=2
    ) as provider:
        intent = await provider.confirm("pi_1", key="k", payment_method="pm_card_visa")

    assert intent.next_action is not None
    assert (intent.next_action.type, intent.next_action.url) == ("use_stripe_sdk", None)
