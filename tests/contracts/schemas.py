"""The kept schemas. `python -m tests.contracts.schemas` keeps what the code says now; the diff shows what changed."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from services.contracts.events import event_types
from tests.service.doors import SETTINGS

KEPT = Path(__file__).parent / "kept"
HTTP_SERVICES = ("user", "product", "order", "payment", "notification")


def current() -> dict[str, dict[str, Any]]:
    """Every schema that others rely on, by the path it is kept under."""
    events = {f"events/{name}.json": event.model_json_schema() for name, event in event_types().items()}
    return events | {f"openapi/{service}.json": openapi_of(service) for service in HTTP_SERVICES}


def openapi_of(service: str) -> dict[str, Any]:
    """The OpenAPI document of a service, without starting it."""
    app = import_module(f"services.{service}.app").create(_never_started, SETTINGS)
    document: dict[str, Any] = app.openapi()
    return document


def _never_started() -> Any:
    raise AssertionError


def written(schema: dict[str, Any]) -> str:
    """The text that is kept."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, schema in current().items():
        (KEPT / path).parent.mkdir(parents=True, exist_ok=True)
        (KEPT / path).write_text(written(schema))
