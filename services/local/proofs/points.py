"""Which failpoints there are and which applications run them, read from the source, so that nobody keeps a list."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.local.topology import ROOT

WELL_FORMED = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*\.before_[a-z]+(_[a-z]+)*")
"""`<module or aggregate>.<what is done>.before_<what is not done yet>`."""

_SHARED = "shared"
_DOOR = {
    "_apply": {"on"},
    "_apply_together": {"in_bulk"},
    "_show": {"project", "project_in_bulk"},
    "_note_shown": {"project", "project_in_bulk"},
}
"""Which registrations at an event door lead through which of its functions."""


class NotALiteral(ValueError):
    """A failpoint's name is written out where it stands."""


@dataclass(frozen=True, order=True)
class Point:
    """A failpoint: its name, the module it stands in (`order/operations/checkout.py`) and the function."""

    name: str
    module: str
    function: str

    @property
    def owner(self) -> str:
        """The service it belongs to, or `shared`."""
        return self.module.partition("/")[0]


def find(services: Path = ROOT / "services") -> list[Point]:
    """Every failpoint, sorted by its name.

    :raises NotALiteral: one has no name that can be read.
    """
    modules = (path for path in services.rglob("*.py") if not path.is_relative_to(services / "local"))
    return sorted(point for path in modules for point in _points(path, str(path.relative_to(services))))


def runners(point: Point, services: Path = ROOT / "services") -> list[str]:
    """The applications that run a point: its owner; for shared code those with what that code serves."""
    if point.owner != _SHARED:
        return [point.owner]
    if point.module == "shared/pubsub.py":
        return [app_id for app_id, ways in _doors(services).items() if ways & _DOOR[point.function]]
    if point.module in {"shared/dead_letters.py", "shared/catching_up.py"}:
        return list(_doors(services))
    return sorted(path.parent.name for path in services.glob("*/migrations"))


def _points(path: Path, module: str) -> Iterator[Point]:
    text = path.read_text()
    if "failpoint(" not in text:
        return
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef) and function.name != "failpoint":
            yield from (Point(_name(call), module, function.name) for call in _calls(function))


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "failpoint":
            yield child
        yield from _calls(child)


def _name(call: ast.Call) -> str:
    match call.args:
        case [ast.Constant(value=str(name))] if not call.keywords:
            return name
    raise NotALiteral(ast.unparse(call))


def _doors(services: Path) -> dict[str, set[str]]:
    """The services with an event door, and by which ways events come in there."""
    modules = sorted(services.glob("*/subscriptions.py"))
    return {path.parent.name: set(re.findall(r"\bdoor\.(\w+)\(", path.read_text())) for path in modules}
