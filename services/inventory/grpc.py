"""The gRPC door: parses, calls an operation, answers."""

from uuid import UUID

from services.contracts.events import Level
from services.contracts.proto import inventory_pb2 as proto
from services.inventory.domain import BelowReserved, Change, LevelInvalid, LevelStale, merged
from services.inventory.operations import holds, levels
from services.shared.errors import Invalid
from services.shared.grpc_door import Call, GrpcService, Who
from services.shared.identity import Role

MOST_IDS = 500
LONGEST_REASON = 500

inventory = GrpcService(proto.DESCRIPTOR.services_by_name["Inventory"])

_ORDER = frozenset({"order"})
_STAFF = Who(role=Role.STAFF)
_REASONS = {"on_hand": "counted", "adjust_by": "adjusted"}


class IdInvalid(Invalid):
    """An id is a UUID in its canonical text form."""


class TooManyIds(Invalid):
    """At most 500 levels are read at once."""


class ReasonInvalid(Invalid):
    """A change of stock has a reason of at most 500 characters."""


@inventory.method("Reserve", Who(role=Role.CUSTOMER, peers=_ORDER))
async def reserve(call: Call, request: proto.ReserveRequest) -> proto.ReserveReply:
    """Hold stock for an order that is being placed."""
    asked = holds.Reservation(
        order_id=_id(request.order_id),
        user_id=call.user.id,
        lines=merged((_id(line.product_id), line.quantity) for line in request.lines),
        actor=str(call.user),
    )
    answer = await holds.reserve(call.runtime.database, asked, at=call.runtime.clock())
    return proto.ReserveReply(
        outcome=str(answer.outcome),
        shortages=[
            proto.ReserveReply.Shortage(
                product_id=str(short.product_id), requested=short.requested, available=short.available
            )
            for short in answer.shortages
        ],
    )


@inventory.method("GetLevels", _STAFF)
async def get_levels(call: Call, request: proto.GetLevelsRequest) -> proto.GetLevelsReply:
    """Read levels."""
    if len(request.product_ids) > MOST_IDS:
        raise TooManyIds
    async with call.runtime.database.begin() as session:
        found = await levels.read(session, [_id(text) for text in request.product_ids])
    return proto.GetLevelsReply(levels=[_level(level) for level in found])


@inventory.method("SetLevel", _STAFF)
async def set_level(call: Call, request: proto.SetLevelRequest) -> proto.SetLevelReply:
    """Count or adjust a level."""
    outcome = proto.SetLevelReply
    try:
        async with call.runtime.database.begin() as session:
            level = await levels.change(session, _change(request), by=str(call.user), at=call.runtime.clock())
    except BelowReserved as refusal:
        return proto.SetLevelReply(outcome=outcome.BELOW_RESERVED, level=_level(refusal.level))
    except LevelStale as refusal:
        return proto.SetLevelReply(outcome=outcome.STALE, level=_level(refusal.level))
    return proto.SetLevelReply(outcome=outcome.SET, level=_level(level))


def _change(request: proto.SetLevelRequest) -> Change:
    kind = request.WhichOneof("change")
    if kind is None:
        raise LevelInvalid
    if len(request.reason) > LONGEST_REASON or "\x00" in request.reason:
        raise ReasonInvalid
    return Change(
        product_id=_id(request.product_id),
        on_hand=request.on_hand if kind == "on_hand" else None,
        adjust_by=request.adjust_by if kind == "adjust_by" else None,
        reason=request.reason or _REASONS[kind],
        if_version=request.if_version if request.HasField("if_version") else None,
    )


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise IdInvalid from error


def _level(level: Level) -> proto.Level:
    return proto.Level(
        product_id=str(level.product_id), on_hand=level.on_hand, reserved=level.reserved, version=level.version
    )
