import cProfile, pstats, time
from uuid import uuid4
from datetime import UTC, datetime
from services.inventory.operations import holds
from services.inventory.domain import merged
from services.inventory import store
from sqlalchemy import text

async def test_speed(inventory):
    import psycopg; print(psycopg.pq.__impl__)
    products = await inventory.stocked(*[100000]*4)
    asked = lambda: holds.Reservation(order_id=uuid4(), user_id=uuid4(), lines=merged([(products[0],1),(products[1],1)]), actor="x")
    db = inventory.runtime.database
    for _ in range(20): await holds.reserve(db, asked(), at=datetime.now(UTC))
    async def t(name, f, n=200):
        c=time.process_time(); b=time.perf_counter()
        for _ in range(n): await f()
        print(name, round((time.perf_counter()-b)/n*1000,3), "cpu", round((time.process_time()-c)/n*1000,3))
    async def empty():
        async with db.begin() as s: pass
    async def one():
        async with db.begin() as s: await s.execute(text("SELECT 1"))
    async def nofact():
        a=asked()
        async with db.begin() as s: await store.hold(s, a.order_id, user_id=a.user_id, lines=a.lines, actor="x", at=datetime.now(UTC))
    async def whole(): await holds.reserve(db, asked(), at=datetime.now(UTC))
    for n,f in dict(empty=empty,one=one,nofact=nofact,whole=whole).items(): await t(n,f)
    p=cProfile.Profile(); p.enable()
    for _ in range(200): await whole()
    p.disable(); pstats.Stats(p).sort_stats("tottime").print_stats(25)
