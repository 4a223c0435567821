"""Stripe's own description of its API: stripe-mock, which refuses what it does not allow, and the schemas in it."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema.exceptions import best_match

from services.local import runtime
from tests.conditions import free_port, wait_until

MODULE = Path(__file__).parent / "stripe_mock"
PACKAGE = "github.com/stripe/stripe-mock"
NOT_HERE = "stripe-mock has not been built and there is no Go to build it"


def program() -> Path:
    """stripe-mock, built once per user and version; without it and without Go the test is skipped."""
    target = _folder() / "stripe-mock"
    if not target.exists():
        asyncio.run(runtime.build(target, PACKAGE, module=MODULE, compiler=_go(), progress=print))
    return target


def _folder() -> Path:
    pinned = re.search(rf"{PACKAGE} (v\S+)", (MODULE / "go.mod").read_text())
    assert pinned is not None
    return runtime.cache() / f"stripe-mock-{pinned[1]}"


def _go() -> str:
    compiler = runtime.go()
    if compiler is None:
        pytest.skip(NOT_HERE)
    return compiler


@contextmanager
def mocking() -> Iterator[str]:
    """stripe-mock at an address of its own."""
    address = f"127.0.0.1:{free_port()}"
    command = (program(), "-http-addr", address, "-https-addr", "127.0.0.1:")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as mock:
        try:
            wait_until(lambda: _listens(address))
            yield f"http://{address}"
        finally:
            mock.terminate()


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@cache
def described() -> dict[str, Any]:
    """The OpenAPI document that stripe-mock embeds, kept beside it."""
    kept = _folder() / "spec3.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(source() / "embedded" / "openapi" / "spec3.json", draft)
        draft.replace(kept)
    document: dict[str, Any] = json.loads(kept.read_text())
    return document


def source() -> Path:
    """The source of stripe-mock, fetched where Go has not got it yet."""
    command = (_go(), "mod", "download", "-json", PACKAGE)
    told = subprocess.run(command, cwd=MODULE, check=True, capture_output=True, text=True).stdout
    return Path(json.loads(told)["Dir"])


def answer_schema(method: str, path: str, status: int) -> dict[str, Any]:
    """What the document says about the answer to a request; the most literal path counts."""
    paths = [template for template in described()["paths"] if re.fullmatch(_pattern(template), path)]
    literal = min(paths, key=lambda template: template.count("{"))
    responses = described()["paths"][literal][method.lower()]["responses"]
    schema: dict[str, Any] = responses.get(str(status), responses["default"])["content"]["application/json"]["schema"]
    return schema


def _pattern(template: str) -> str:
    return re.sub(r"\{[^}]+\}", "[^/]+", template)


def object_schema(kind: str) -> dict[str, Any]:
    """What the document says about a kind of object."""
    return {"$ref": f"#/components/schemas/{kind}"}


def complaints(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value, each with its place; empty when it is as described."""
    validator = jsonschema.Draft7Validator({"allOf": [_as_json_schema(schema)], "components": _components()})
    return [_told(error) for error in validator.iter_errors(value)]


def _told(error: jsonschema.ValidationError) -> str:
    deepest = best_match([error])
    return f"{deepest.json_path}: {deepest.message[:300]}"


@cache
def _components() -> dict[str, Any]:
    schemas = described()["components"]["schemas"]
    return {"schemas": {name: _as_json_schema(schema) for name, schema in schemas.items()}}


def _as_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 as JSON Schema: `nullable` allows null, and there are no properties but those described."""
    translated = {name: _part(name, part) for name, part in schema.items() if name != "nullable"}
    if "properties" in schema:
        translated.setdefault("additionalProperties", False)
    return {"anyOf": [translated, {"type": "null"}]} if schema.get("nullable") else translated


def _part(name: str, part: Any) -> Any:
    match name, part:
        case "properties", _:
            return {key: _as_json_schema(inner) for key, inner in part.items()}
        case (("anyOf" | "allOf" | "oneOf"), _):
            return [_as_json_schema(inner) for inner in part]
        case (("items" | "additionalProperties" | "not"), dict()):
            return _as_json_schema(part)
        case _:
            return part
