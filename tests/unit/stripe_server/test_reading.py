import pytest
import stripe

from services.local.stripe_server import forms, settings
from services.local.stripe_server.refusals import Unexecuted
from tests.unit.stripe_server.conftest import StandIn


def test_lists_are_paged_newest_first_in_both_directions(stand_in: StandIn) -> None:
    ids = [stand_in.intents.create(params={"amount": 500 + n, "currency": "eur"}).id for n in range(5)]

    newest = stand_in.intents.list(params={"limit": 2})
    older = stand_in.intents.list(params={"limit": 3, "starting_after": newest.data[-1].id})
    back = stand_in.intents.list(params={"limit": 2, "ending_before": older.data[0].id})

    assert [one.id for one in newest.data] == ids[:2:-1]
    assert [one.id for one in older.data] == ids[2::-1]
    assert [one.id for one in back.data] == ids[:2:-1]
    assert (newest.has_more, older.has_more, back.has_more) == (True, False, False)


def test_the_sdk_walks_through_all_pages(stand_in: StandIn) -> None:
    ids = {stand_in.intents.create(params={"amount": 500, "currency": "eur"}).id for _ in range(7)}

    walked = [one.id for one in stand_in.intents.list(params={"limit": 3}).auto_paging_iter()]

    assert len(walked) == 7
    assert set(walked) == ids


def test_lists_are_filtered_by_the_time_of_creation(stand_in: StandIn) -> None:
    created = stand_in.intents.create(params={"amount": 500, "currency": "eur"}).created

    def count(wanted: object) -> int:
        return len(stand_in.intents.list(params={"created": wanted}).data)

    assert [count({"gte": created}), count({"gt": created}), count({"lt": created})] == [1, 0, 0]
    assert [count(created), count(created - 1)] == [1, 0]


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 101}, {"created": {"near": 5}}, {"colour": "red"}, {"starting_after": "pi_nobodyknows"}],
)
def test_bad_list_parameters_are_refused(stand_in: StandIn, params: dict[str, object]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stand_in.intents.list(params=params)


def test_ids_are_expanded_into_objects_along_a_path(stand_in: StandIn) -> None:
    paid = stand_in.paid(10_000)

    one = stand_in.intents.retrieve(paid.id, params={"expand": ["latest_charge.balance_transaction", "customer"]})
    listed = stand_in.intents.list(params={"expand": ["data.latest_charge"]})

    assert one.latest_charge.balance_transaction.net == 9_835
    assert listed.data[0].latest_charge.id == paid.latest_charge


def test_a_path_that_is_expanded_already_is_followed(stand_in: StandIn) -> None:
    paid = stand_in.paid()
    paths = ["latest_charge", "latest_charge.payment_intent"]

    one = stand_in.intents.retrieve(paid.id, params={"expand": paths})

    assert one.latest_charge.payment_intent.id == paid.id


@pytest.mark.parametrize("path", ["nothing", "amount", "client_secret", "a.b.c.d.e"])
def test_what_cannot_be_expanded_is_refused(stand_in: StandIn, path: str) -> None:
    paid = stand_in.paid()

    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        stand_in.intents.retrieve(paid.id, params={"expand": [path]})


def test_what_does_not_exist_is_not_found(stand_in: StandIn) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.intents.retrieve("pi_unknown")

    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_forms_are_read_with_their_nesting() -> None:
    read = forms.parse("metadata[a]=1&expand[]=x&expand[]=y&created[gte]=5&plain=v&types[0]=card&[=odd")

    assert read == {
        "metadata": {"a": "1"},
        "expand": {"0": "x", "1": "y"},
        "created": {"gte": "5"},
        "plain": "v",
        "types": {"0": "card"},
        "[": "odd",
    }


def test_a_form_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(Unexecuted):
        forms.parse("metadata=words&metadata[a]=1")


def test_an_empty_value_unsets_its_key() -> None:
    form = forms.Form(forms.parse("metadata[a]=&metadata[b]=2"))

    assert form.mapping("metadata") == {"b": "2"}


def test_settings_come_from_the_command_line_and_the_secrets_from_the_environment() -> None:
    read = settings.read(
        ["--port", "8620", "--state", "here", "--webhook-url", "http://127.0.0.1/hook"],
        {"STRIPE_API_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"},
    )

    assert (read.url, read.api_key, read.webhook_secret) == ("http://127.0.0.1:8620", "sk_test_1", "whsec_1")
