"""What the gateway serves itself: health, the public keys, and the API's description."""

import ipaddress
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from services.gateway.forwarding import forward, passed_on
from services.gateway.openapi import Description
from services.gateway.readiness import Readiness
from services.shared import errors, telemetry
from services.shared.identity import Anyone
from services.shared.runtime import OwnSidecar, part

router = APIRouter(tags=["gateway"])

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sidecart API</title>
<link rel="icon" href="/docs/assets/favicon.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The description itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
});
"""


@router.get("/healthz", summary="Whether the gateway is alive")
async def read_health(_: Anyone) -> dict[str, str]:
    """Alive, whatever may be away."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether the platform is ready", responses={503: {"description": "Names what is away"}})
async def read_readiness(
    readiness: Annotated[Readiness, Depends(part(Readiness))],
    _: Anyone,
    scope: Annotated[str, Query(max_length=20, description="`self`: the gateway alone, for an orchestrator.")] = "",
) -> Response:
    """Asks every service, and names what is away."""
    away = await (readiness.own_away() if scope == "self" else readiness.away())
    if away:
        detail = f"Away: {', '.join(away)}."
        return errors.problem(503, "not-ready", detail, extra={"away": away}, headers={"Retry-After": "1"})
    return JSONResponse({"status": "ready"})


@router.get("/.well-known/jwks.json", summary="The keys that sign access tokens")
async def read_keys(request: Request, sidecar: OwnSidecar, _: Anyone) -> Response:
    """The public key set (RFC 7517) of the user service."""
    headers = passed_on(request.scope, "user", "")
    return await forward(sidecar, "GET", "/.well-known/jwks.json", headers=headers, body=b"", seconds=5)


@router.get("/openapi.json", include_in_schema=False)
async def read_description(description: Annotated[Description, Depends(part(Description))], _: Anyone) -> Response:
    """The whole platform's OpenAPI 3.1 document."""
    return Response(await description.read(), media_type="application/json", headers={"Cache-Control": "no-cache"})


@router.get("/docs", include_in_schema=False)
async def read_docs(_: Anyone) -> Response:
    """The API browser."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


@router.get("/docs/assets/start.js", include_in_schema=False)
async def read_start(_: Anyone) -> Response:
    """What starts the API browser; apart from the page, so that the page may forbid inline scripts."""
    return Response(_START, media_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/docs/assets/{name}", include_in_schema=False)
async def read_asset(name: str, _: Anyone) -> Response:
    """Swagger UI, from the package that carries it."""
    if name not in _ASSETS:
        raise errors.NotFound
    return FileResponse(_assets() / name, media_type=_ASSETS[name], headers={"Cache-Control": "public, max-age=3600"})


def _assets() -> Path:
    return Path(str(files("fastapi_offline"))) / "static"


@router.get("/metrics", include_in_schema=False)
async def read_metrics(request: Request, _: Anyone) -> Response:
    """Prometheus metrics, for a scraper on the same machine or in the same pod only: this listener is public."""
    if not _is_loopback(request.client.host if request.client else ""):
        raise errors.NotFound
    return await telemetry.metrics(request)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
