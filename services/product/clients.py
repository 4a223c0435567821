"""Questions to inventory, over gRPC through the sidecars."""

from dataclasses import dataclass
from uuid import UUID

from services.contracts.proto.inventory_pb2 import GetLevelsRequest, SetLevelReply, SetLevelRequest
from services.contracts.proto.inventory_pb2 import Level as LevelMessage
from services.contracts.proto.inventory_pb2_grpc import InventoryStub
from services.product.preconditions import VersionStale
from services.shared.errors import Conflict, Invalid, Unavailable
from services.shared.grpc_client import GrpcChannel
from services.shared.sidecar import CallRefused, SidecarAway


class BelowReserved(Conflict):
    """Orders hold {reserved} units, so no fewer can be on hand."""


class BookingRefused(Invalid):
    """Inventory does not take this: {why}."""


class BookingUncertain(Unavailable):
    """Inventory's answer is lost: this may be booked or not. Read the level before you book again."""

    def __init__(self) -> None:
        """Without the header that has clients try again by themselves."""
        super().__init__(headers={})


@dataclass(frozen=True, kw_only=True)
class Level:
    """A product's stock in units; all zero, version included, while nothing was ever booked."""

    on_hand: int = 0
    reserved: int = 0
    version: int = 0

    @property
    def available(self) -> int:
        """What can still be ordered."""
        return self.on_hand - self.reserved


class Levels:
    """The stock ledger's levels."""

    def __init__(self, channel: GrpcChannel) -> None:
        """Ask over a channel to inventory."""
        self._channel = channel
        self._stub = InventoryStub(channel.channel)

    async def of(self, product_id: UUID, *, token: str) -> Level:
        """A product's level, as the staff user with this token may see it."""
        request = GetLevelsRequest(product_ids=[str(product_id)])
        reply = await self._channel.call(self._stub.GetLevels, request, token=token)
        return _level(reply.levels[0]) if reply.levels else Level()

    async def set(
        self,
        product_id: UUID,
        *,
        on_hand: int | None,
        adjust_by: int | None,
        reason: str,
        if_version: int | None,
        token: str,
    ) -> Level:
        """Count or adjust a product's stock; answers the level after it.

        Neither is repeated when its answer is lost: an adjustment would count twice, and a count would bring back what
        was sold since it was made.

        :raises BelowReserved: less would be on hand than orders hold.
        :raises VersionStale: the level is not at `if_version`.
        :raises BookingRefused: it makes no sense to inventory.
        :raises BookingUncertain: no answer came, or one that does not say what was done.
        """
        request = SetLevelRequest(
            product_id=str(product_id), on_hand=on_hand, adjust_by=adjust_by, reason=reason, if_version=if_version
        )
        try:
            reply = await self._channel.call(self._stub.SetLevel, request, token=token, repeatable=False)
        except CallRefused as refusal:
            raise BookingRefused(why=refusal.slug) from refusal
        except SidecarAway as error:
            raise BookingUncertain from error
        level = _level(reply.level)
        if reply.outcome == SetLevelReply.BELOW_RESERVED:
            raise BelowReserved(reserved=level.reserved)
        if reply.outcome == SetLevelReply.STALE:
            raise VersionStale(version=level.version)
        if reply.outcome != SetLevelReply.SET:
            raise BookingUncertain
        return level


def _level(message: LevelMessage) -> Level:
    return Level(on_hand=message.on_hand, reserved=message.reserved, version=message.version)
