"""Defects of what all services share: the outbox, the relay, the inbox, the event door, dead letters, keys, commits."""

from services.local.proofs.defects import breakdowns, journeys
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.edit import Edit

_DEAD_LETTERS = "services/shared/dead_letters.py"
_IDEMPOTENCY = "services/shared/idempotency.py"
_PUBSUB = "services/shared/pubsub.py"
_RELAY = "services/shared/relay.py"

PLUMBING = (
    Defect(
        name="the-inbox-is-ignored",
        harm="An event that is delivered twice has its effect twice.",
        edits=(
            Edit(
                file=_PUBSUB,
                old="if await inbox.is_first(session, effect.__name__, event.event_id):\n",
                new="if await inbox.is_first(session, effect.__name__, event.event_id) or True:\n",
                worn_by=("order",),
            ),
            Edit(
                file="services/order/operations/settlement.py",
                old="    if order.knows(event.event_id):\n        return\n",
                new="",
            ),
        ),
        journey=journeys.HEAR_EVERYTHING_TWICE,
        breaks=frozenset({"I9"}),
    ),
    Defect(
        name="the-inbox-commits-alone",
        harm="An event whose effect fails the first time never has it: goods are paid and stay on the shelf.",
        edits=(
            Edit(
                file=_PUBSUB,
                old="            if await inbox.is_first(session, effect.__name__, event.event_id):\n"
                "                await",
                new="            first = await inbox.is_first(session, effect.__name__, event.event_id)\n"
                "        async with runtime.database.begin() as session:\n"
                "            if first:\n                await",
                worn_by=("inventory",),
            ),
        ),
        journey=breakdowns.LOSE_A_SESSION,
        breaks=frozenset({"I7"}),
    ),
    Defect(
        name="what-got-lost-stays-lost",
        harm="Whatever a broker or a sidecar loses is never heard of again.",
        edits=(
            Edit(
                file="services/shared/catching_up.py",
                old="            await _again(runtime, FactsMissed(topic=topic, event_ids=missed[:MOST_AGAIN]))\n",
                new="            pass\n",
                worn_by=("inventory", "notification", "order", "payment"),
            ),
        ),
        journey=breakdowns.LOSE_WHAT_WAS_PUBLISHED,
        breaks=frozenset({"I6"}),
    ),
    Defect(
        name="a-store-that-is-away-is-no-reason-to-try-again",
        harm="Whatever is told while a database is away for a moment is lost.",
        edits=(
            Edit(
                file=_PUBSUB,
                old="return Outcome.RETRY if isinstance(error, TooEarly) else Outcome.AWAY",
                new="return Outcome.SUCCESS",
                worn_by=("inventory",),
            ),
        ),
        journey=breakdowns.LOSE_A_SESSION,
        breaks=frozenset({"I7"}),
    ),
    Defect(
        name="a-batch-that-fails-counts-as-done",
        harm="The catalogue shows what is on the shelf wrongly, for as long as nothing else is sold.",
        edits=(
            Edit(
                file=_PUBSUB,
                old="return [together.answer] * len(letters)",
                new="return [Answer.SUCCESS] * len(letters)",
                worn_by=("product",),
            ),
        ),
        journey=breakdowns.LOSE_A_SESSION_OF_THE_CATALOGUE,
        breaks=frozenset({"I9"}),
    ),
    Defect(
        name="exceptions-are-swallowed",
        harm="A handler that fails is never asked again: the order is charged and never paid.",
        edits=(
            Edit(
                file=_PUBSUB,
                old='log.exception("event.failed", type=letters[0].get("type"), id=letters[0].get("id"))\n'
                "                return Outcome.RETRY",
                new='log.exception("event.failed", type=letters[0].get("type"), id=letters[0].get("id"))\n'
                "                return Outcome.SUCCESS",
                worn_by=("order",),
            ),
        ),
        journey=breakdowns.FIND_ORDERS_UNWRITABLE,
        breaks=frozenset({"I4", "I7"}),
    ),
    Defect(
        name="dead-letters-are-thrown-away",
        harm="What could not be handled within the broker's retries is lost.",
        edits=(
            Edit(
                file=_DEAD_LETTERS, old="    await session.execute(_PARK, row", new="    dict(row", worn_by=("order",)
            ),
        ),
        journey=breakdowns.FIND_ORDERS_UNWRITABLE,
        breaks=frozenset({"I4", "I7"}),
    ),
    Defect(
        name="a-parked-letter-is-tried-once",
        harm="What still fails when it is tried again is lost.",
        edits=(
            Edit(
                file=_DEAD_LETTERS,
                old="        if answer is Answer.SUCCESS:",
                new="        if answer is not Answer.DROP:",
                worn_by=("order",),
            ),
        ),
        journey=breakdowns.FIND_ORDERS_UNWRITABLE,
        breaks=frozenset({"I4", "I7"}),
    ),
    Defect(
        name="the-relay-marks-whatever-it-tried",
        harm="Facts that the broker did not take are never told.",
        edits=(
            Edit(
                file=_RELAY,
                old="            went = await self._publisher.publish(topic, letters)\n",
                new="            await self._publisher.publish(topic, letters)\n"
                "            went = {letter.entry_id for letter in letters}\n",
                worn_by=("order",),
            ),
        ),
        journey=breakdowns.FILL_THE_BROKER,
        breaks=frozenset({"I6", "I9"}),
    ),
    Defect(
        name="the-relay-looks-at-fresh-facts-only",
        harm="What was not published within two seconds never is.",
        edits=(
            Edit(
                file=_RELAY,
                old="WHERE published_at IS NULL ORDER BY id",
                new="WHERE published_at IS NULL AND at > now() - interval '2 seconds' ORDER BY id",
                worn_by=("order",),
            ),
        ),
        journey=breakdowns.FILL_THE_BROKER,
        breaks=frozenset({"I6", "I9"}),
    ),
    Defect(
        name="the-answer-leaves-before-the-commit",
        harm="Customers are told that an order is cancelled which is not.",
        edits=(
            Edit(
                file="services/shared/database.py",
                old='Depends(_transaction, scope="function")',
                new="Depends(_transaction)",
                worn_by=("order",),
            ),
        ),
        journey=breakdowns.FAIL_AT_THE_LAST_MOMENT,
        breaks=frozenset({"I1", "I6"}),
    ),
    Defect(
        name="a-customer-has-one-key",
        harm="A second order is answered with the first: it was acknowledged and never made.",
        edits=(
            Edit(
                file=_IDEMPOTENCY,
                old='return uuid5(principal, f"{operation}:{key}")',
                new="return uuid5(principal, operation)",
                worn_by=("order",),
            ),
        ),
        journey=journeys.ORDER_THE_SAME_AGAIN,
        breaks=frozenset({"I1", "I2"}),
    ),
    Defect(
        name="fingerprints-are-not-compared",
        harm="Another order under a used key is acknowledged and never made.",
        edits=(Edit(file=_IDEMPOTENCY, old="    if stored != given:", new="    if not stored:", worn_by=("order",)),),
        journey=journeys.CHANGE_THE_ORDER_UNDER_ITS_KEY,
        breaks=frozenset({"I1", "I2"}),
    ),
    Defect(
        name="an-event-has-a-new-name-each-time",
        harm="No consumer can tell that it has seen an event before: timelines and inboxes fill with copies.",
        edits=(
            Edit(
                file="services/contracts/events/event.py",
                old='return uuid5(self.aggregate_id, f"{self.TYPE}/{self.version}")',
                new="return uuid4()",
                worn_by=("order",),
            ),
            Edit(
                file="services/contracts/events/event.py",
                old="from uuid import UUID, uuid5",
                new="from uuid import UUID, uuid4",
                worn_by=("order",),
            ),
        ),
        journey=journeys.HEAR_EVERYTHING_TWICE,
        breaks=frozenset({"I9"}),
    ),
    Defect(
        name="a-placing-is-published-before-it-is-committed",
        harm="The till and the stock hear of an order that does not exist.",
        edits=(
            Edit(
                file="services/order/operations/checkout.py",
                old='    failpoint("order.held.before_written")\n',
                new='    told = {"specversion": "1.0", "source": "order", "type": fact.TYPE}\n'
                '    told |= {"id": str(fact.event_id), "topic": fact.TOPIC, "data": fact.model_dump(mode="json")}\n'
                '    told |= {"datacontenttype": "application/json"}\n'
                "    written = json.dumps(told).encode()\n"
                '    letter = Letter(entry_id="1", partition_key=str(order.id), cloud_event=written)\n'
                "    await desk.sidecar.publish(fact.TOPIC, [letter])\n",
            ),
            Edit(
                file="services/order/operations/checkout.py",
                old="from services.shared.sidecar import Sidecar\n",
                new="import json\n\nfrom services.shared.sidecar import Letter, Sidecar\n",
            ),
        ),
        journey=breakdowns.NEVER_WRITE,
        breaks=frozenset({"I3", "I4", "I9"}),
    ),
)
