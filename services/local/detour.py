"""The detour: toxiproxy between the services and their stores, so that the network between them can be made worse."""

import json
import re
from pathlib import Path

from services.local import runtime
from services.local.credentials import write_private
from services.local.processes import Spec
from services.local.refusals import MissingTool, Refusal
from services.local.runtime import Progress
from services.local.state import Kind, State
from services.local.topology import LOOPBACK, ROOT, Backend, Ports

MODULE = ROOT / "services" / "local" / "toxiproxy"

_REPOSITORY = "github.com/Shopify/toxiproxy/v2"


async def obstacle(progress: Progress) -> str:
    """Why there can be no detour on this machine; nothing once toxiproxy is there."""
    try:
        await ensure(progress)
    except Refusal as refusal:
        return str(refusal)
    return ""


async def ensure(progress: Progress) -> Path:
    """Toxiproxy, built once per user and version.

    :raises MissingTool: it has to be built and there is no Go.
    :raises Refusal: the build failed.
    """
    target = _target()
    if target.exists():
        return target
    compiler = runtime.go()
    if compiler is None:
        raise MissingTool("Toxiproxy has not been built and there is no Go to build it.")
    return await runtime.build(target, f"{_REPOSITORY}/cmd/server", module=MODULE, compiler=compiler, progress=progress)


def spec(program: Path, *, state: State, ports: Ports) -> Spec:
    """How to run it. Its proxies are in a file, so one that starts again has them again, and no trouble in them."""
    ways = state.root / "detour.json"
    write_private(ways, json.dumps(_ways(ports), indent=2) + "\n")
    return Spec(
        name="detour",
        kind=Kind.CONTROL,
        command=(str(program), "-host", LOOPBACK, "-port", str(ports.detours), "-config", str(ways)),
        env={"LOG_LEVEL": "error", "GOMAXPROCS": "2"},
        url=f"http://{LOOPBACK}:{ports.detours}",
        probe=f"http://{LOOPBACK}:{ports.detours}/version",
        ports=(ports.detours, *(ports.reached(backend) for backend in Backend)),
    )


def _ways(ports: Ports) -> list[dict[str, object]]:
    return [
        {
            "name": backend,
            "listen": f"{LOOPBACK}:{ports.reached(backend)}",
            "upstream": f"{LOOPBACK}:{ports.direct(backend)}",
            "enabled": True,
        }
        for backend in Backend
    ]


def _target() -> Path:
    pinned = re.search(rf"{_REPOSITORY} (v\S+)", (MODULE / "go.mod").read_text())
    version = pinned[1] if pinned else "unpinned"
    return runtime.cache() / f"toxiproxy-{version}" / "toxiproxy"
