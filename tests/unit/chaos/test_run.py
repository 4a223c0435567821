from services.local.chaos import run
from services.local.chaos.schedule import Deed, Strike, Victim


async def test_what_is_struck_alone_waits_until_the_shop_serves_again_or_does_not_for_too_long() -> None:
    seen: list[str] = []

    async def do(strike: Strike) -> None:
        seen.append(strike.kind)

    async def serves_again(_: float) -> bool:
        seen.append("waited")
        return len(seen) > 2

    told: list[str] = []
    strikes = [Strike(at=0, deed=Deed.KILL, kind=kind, names=(kind,), alone=True) for kind in (Victim.REDIS, "sentry")]

    await run.strike_alone(strikes, do, serves_again, told.append)

    assert seen == ["redis", "waited", "sentry", "waited"]
    assert [words.strip() for words in told] == [
        "1 redis: redis, alone",
        "the shop does not serve again after redis: redis",
        "2 sentry: sentry, alone",
    ]
