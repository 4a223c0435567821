"""Defects of the inventory service, and of those that show what it has."""

from services.local.proofs.defects import breakdowns, journeys
from services.local.proofs.defects.defect import Defect, Rule
from services.local.proofs.defects.edit import Edit

_DOMAIN = "services/inventory/domain.py"
_HOLDS = "services/inventory/operations/holds.py"
_STORE = "services/inventory/store.py"
_NEVER_OVERSOLD = "stock_level_is_never_oversold"

STOCK = (
    Defect(
        name="stock-is-read-and-then-written",
        harm="Eight customers buy the last three lamps.",
        edits=(
            Edit(file=_STORE, old="    WHERE level.on_hand - level.reserved >= asked.quantity\n", new=""),
            Edit(
                file=_HOLDS,
                old="    async with database.begin() as session:\n        levels = await store.hold(",
                new="    async with database.begin() as session:\n"
                "        if await store.short(session, asked.lines):\n"
                "            return await _why_not(database, asked)\n"
                "        levels = await store.hold(",
            ),
        ),
        journey=journeys.RUSH,
        breaks=frozenset({"I3"}),
        rules=(
            Rule(
                service="inventory",
                taken=f"ALTER TABLE stock_level DROP CONSTRAINT {_NEVER_OVERSOLD}",
                given_back=f"ALTER TABLE stock_level ADD CONSTRAINT {_NEVER_OVERSOLD}"
                " CHECK (reserved BETWEEN 0 AND on_hand) NOT VALID",
            ),
        ),
    ),
    Defect(
        name="a-release-gives-nothing-back",
        harm="The units of cancelled orders stay reserved; the shop sells less and less.",
        edits=(
            Edit(
                file=_DOMAIN,
                old="Effect(on_hand=0, reserved=-1, fact=StockReleased)",
                new="Effect(on_hand=0, reserved=0, fact=StockReleased)",
            ),
        ),
        journey=journeys.CANCEL_UNPAID,
        breaks=frozenset({"I3", "I6"}),
    ),
    Defect(
        name="a-release-gives-back-too-much",
        harm="Every cancelled order makes units out of nothing, which are then sold.",
        edits=(
            Edit(
                file=_DOMAIN,
                old="Effect(on_hand=0, reserved=-1, fact=StockReleased)",
                new="Effect(on_hand=1, reserved=-1, fact=StockReleased)",
            ),
        ),
        journey=journeys.CANCEL_UNPAID,
        breaks=frozenset({"I3", "I6"}),
    ),
    Defect(
        name="what-is-sold-stays-on-hand",
        harm="Units that were paid for and sent are sold again.",
        edits=(
            Edit(
                file=_DOMAIN,
                old="Effect(on_hand=-1, reserved=-1, fact=StockCommitted)",
                new="Effect(on_hand=0, reserved=-1, fact=StockCommitted)",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I3", "I7"}),
    ),
    Defect(
        name="the-release-is-forgotten",
        harm="Nothing happens when an order is cancelled: its stock stays reserved.",
        edits=(Edit(file="services/inventory/subscriptions.py", old="@door.on(OrderCancelled)\n", new=""),),
        journey=journeys.CANCEL_UNPAID,
        breaks=frozenset({"I6", "I9"}),
    ),
    Defect(
        name="a-move-is-not-booked",
        harm="The stock changes and its ledger does not: nobody can tell where units went.",
        edits=(
            Edit(
                file=_STORE,
                old=":on_hand * quantity, :reserved * quantity, :actor, :at FROM changed\n",
                new=":on_hand * quantity, :reserved * quantity, :actor, :at FROM changed WHERE false\n",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I3"}),
    ),
    Defect(
        name="the-clock-decides-about-a-hold",
        harm="The units of an order that takes a little longer to write are given to somebody else.",
        edits=(
            Edit(
                file="services/inventory/operations/asking.py",
                old="placement = await clients.ask_placement(sidecar, order_id)",
                new='placement = Placement(order_id=order_id, outcome="abandoned")',
            ),
        ),
        journey=breakdowns.WRITE_SLOWLY,
        breaks=frozenset({"I1", "I3", "I7"}),
    ),
    Defect(
        name="a-part-of-an-order-is-held",
        harm="An order is accepted of which one product is not there.",
        edits=(
            Edit(
                file=_STORE,
                old="WHERE (SELECT count(*) FROM locked) = cardinality(CAST(:product_ids AS uuid[]))",
                new="WHERE (SELECT count(*) FROM locked) > 0",
            ),
        ),
        journey=journeys.WANT_MORE_THAN_THERE_IS,
        breaks=frozenset({"I1", "I3", "I7"}),
    ),
    Defect(
        name="a-move-tells-nobody",
        harm="The catalogue shows units that were sold long ago, and the record of the stock has holes.",
        edits=(Edit(file=_HOLDS, old="    outbox.add(session, hold.moved(to, levels, at=at))\n", new=""),),
        journey=journeys.BUY,
        breaks=frozenset({"I7", "I9"}),
    ),
    Defect(
        name="the-catalogue-misses-a-release",
        harm="A product is shown as sold out that lies on the shelf.",
        edits=(
            Edit(
                file="services/product/subscriptions.py",
                old="StockSet, StockHeld, StockCommitted, StockReleased, StockReturned)\nasync",
                new="StockSet, StockHeld, StockCommitted, StockReturned)\nasync",
            ),
        ),
        journey=journeys.CANCEL_UNPAID,
        breaks=frozenset({"I9"}),
    ),
)
