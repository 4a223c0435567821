"""The commands by which a person runs the system, as that person types them."""

import json
import os
import signal
import subprocess
from pathlib import Path

from services.local import ports, topology
from services.local.cli import NOTHING_RUNS
from services.local.plan import Plan, unmoved_ports
from services.local.state import ELSEWHERE, State
from services.local.topology import PUBLIC_PORT, ROOT, Ports
from tests.conditions import wait_until

SIDECART = str(ROOT / "sidecart")


def test_the_system_runs_until_ctrl_c_and_leaves_nothing_behind(tmp_path: Path) -> None:
    offset = ports.free_offset(unmoved_ports(topology.load()))
    state, environment = State(tmp_path), {**os.environ, ELSEWHERE: str(tmp_path)}
    command = (SIDECART, "up", "--port", str(PUBLIC_PORT + offset))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        printed: list[str] = []
        while "Try" not in (line := running.stdout.readline()):
            printed.append(line)
        shown = subprocess.run((SIDECART, "status", "--json"), env=environment, capture_output=True, check=True)
        processes = json.loads(shown.stdout)["processes"]

        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0

    assert any("seeded 2000 products" in line for line in printed)
    assert {process["health"] for process in processes} == {"healthy"}
    record = state.read()
    assert record is not None
    wait_until(lambda: all(process.process() is None for process in record.processes))
    gone = subprocess.run((SIDECART, "status"), env=environment, capture_output=True, check=False)
    assert gone.returncode == NOTHING_RUNS
    Plan(state, Ports(offset=offset)).cluster.remove()
