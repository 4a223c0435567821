"""The hands of a round on the provider: what was made to go wrong goes well again, however the round ends."""

import io
import json
from pathlib import Path

import pytest

from services.local.chaos.asking import Asking
from services.local.chaos.history import History
from services.local.chaos.shoppers import Account, Clerk
from services.local.customer import client
from services.local.proofs.defects.stage import Stage
from services.local.refusals import Refusal
from services.local.state import Kind, Phase, Record, Running, State
from services.local.system import System
from tests.unit.stripe_server import hooks
from tests.unit.stripe_server.conftest import running


async def test_a_journey_that_breaks_leaves_no_fault_behind(tmp_path: Path) -> None:
    state, history = State(tmp_path), History(io.StringIO())
    with hooks.listening() as shop, running(tmp_path / "stripe", shop) as provider:
        stripe = Running(name="stripe", kind=Kind.STAND_IN, pid=1, started="", url=provider.url, probe=provider.url)
        state.write(Record(supervisor=1, started="", offset=0, phase=Phase.HEALTHY, processes=(stripe,)))
        async with client.connected(provider.url) as anyone:
            clerk = Clerk(
                account=Account(anyone=anyone, email="", password="", api=anyone), asking=Asking(history=history)
            )
            stage = Stage(system=System(state, 0), anyone=anyone, clerk=clerk, history=history)

            with pytest.raises(Refusal):
                async with stage.fault("confirm", "drop_answer"):
                    raise Refusal("the customer never came")

            assert json.loads(provider.request("GET", "/_stand-in/faults")) == []
