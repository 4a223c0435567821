import asyncio, time
from uuid import uuid4
from datetime import UTC, datetime
from services.contracts.events import OpeningStockDeclared, OpeningLevel

async def test_speed(inventory):
    products = await inventory.stocked(*[100000]*4)
    for rounds in (50, 300):
        began = time.perf_counter()
        for _ in range(rounds):
            r = await inventory.reserve(uuid4(), {products[0]: 1, products[1]: 2})
            assert r.outcome == 1
        print("serial ms", (time.perf_counter()-began)/rounds*1000)
    from services.inventory.operations import holds
    from services.inventory.domain import merged
    from services.shared import outbox
    asked = lambda: holds.Reservation(order_id=uuid4(), user_id=uuid4(), lines=merged([(products[0],1),(products[1],1)]), actor="x")
    c=time.process_time(); began = time.perf_counter()
    for _ in range(300):
        await holds.reserve(inventory.runtime.database, asked(), at=datetime.now(UTC))
    print("op ms", (time.perf_counter()-began)/300*1000, "cpu", (time.process_time()-c)/300*1000)
    began = time.perf_counter()
    async def many():
        for _ in range(50):
            await holds.reserve(inventory.runtime.database, asked(), at=datetime.now(UTC))
    await asyncio.gather(*[many() for _ in range(8)])
    print("8 concurrent, per s", 400/(time.perf_counter()-began))
    for _ in range(3):
        ev = OpeningStockDeclared(version=1, at=datetime.now(UTC), declaration_id=uuid4(), levels=tuple(OpeningLevel(product_id=uuid4(), on_hand=100) for _ in range(500)))
        began = time.perf_counter()
        assert await inventory.deliver(ev) == "SUCCESS"
        print("open 500 ms", (time.perf_counter()-began)*1000)
    assert await inventory.ledger_differences() == []
