"""However a service speaks, its process is prepared alike."""

import subprocess
import sys

import pytest

_SETTINGS = """
import gc
from services.shared import grpc_app, service
from services.shared.settings import Settings

settings = Settings(app_port=0, dapr_http_port=1, dapr_grpc_port=1, app_api_token="a", dapr_api_token="d")

def show():
    print(gc.get_threshold(), gc.get_freeze_count() > 0)
"""
_HTTP = """
async def app(scope, receive, send):
    show()
    await send({"type": "lifespan.startup.failed"})

service.run(app, settings, "toy")
"""
_GRPC = """
class App(grpc_app.GrpcApp):
    async def until_stopped(self):
        show()

grpc_app.run(App(app_id="toy", start=None, settings=settings, services=(), events=None))
"""


@pytest.mark.parametrize("serve", [_HTTP, _GRPC], ids=["http", "grpc"])
def test_garbage_is_collected_seldom_and_never_among_what_was_imported(serve: str) -> None:
    ran = subprocess.run((sys.executable, "-c", _SETTINGS + serve), capture_output=True, text=True, check=False)

    assert ran.stdout == "(50000, 20, 20) True\n", ran.stderr
