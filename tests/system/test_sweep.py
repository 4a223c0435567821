"""Processes die between durable effects, a few of all cases: `./sidecart prove sweep` takes every one."""

import os

from services.local import console
from services.local.proofs import sweep
from services.local.proofs.cases import Options

SEED = int(os.environ.get("SIDECART_SWEEP_SEED", "20261123"))
CASES = 12


def test_everything_converges_wherever_a_process_dies() -> None:
    report = sweep.prove(Options(seed=SEED, sample=CASES), console.Steps(console.err))

    assert [f"{result.case}: {result.failure}" for result in report.failures] == []
    assert len(report.deaths) == CASES
    assert {target.app_id for target in report.died_at} >= {
        "user",
        "product",
        "inventory",
        "order",
        "payment",
        "notification",
    }
