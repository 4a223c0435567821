from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Line(_message.Message):
    __slots__ = ("product_id", "quantity")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    quantity: int
    def __init__(self, product_id: _Optional[str] = ..., quantity: _Optional[int] = ...) -> None: ...

class ReserveRequest(_message.Message):
    __slots__ = ("order_id", "lines")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    def __init__(self, order_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ...) -> None: ...

class ReserveReply(_message.Message):
    __slots__ = ("outcome", "shortages")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[ReserveReply.Outcome]
        HELD: _ClassVar[ReserveReply.Outcome]
        INSUFFICIENT: _ClassVar[ReserveReply.Outcome]
        OTHER_LINES: _ClassVar[ReserveReply.Outcome]
        RELEASED: _ClassVar[ReserveReply.Outcome]
    OUTCOME_UNSPECIFIED: ReserveReply.Outcome
    HELD: ReserveReply.Outcome
    INSUFFICIENT: ReserveReply.Outcome
    OTHER_LINES: ReserveReply.Outcome
    RELEASED: ReserveReply.Outcome
    class Shortage(_message.Message):
        __slots__ = ("product_id", "requested", "available")
        PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
        REQUESTED_FIELD_NUMBER: _ClassVar[int]
        AVAILABLE_FIELD_NUMBER: _ClassVar[int]
        product_id: str
        requested: int
        available: int
        def __init__(self, product_id: _Optional[str] = ..., requested: _Optional[int] = ..., available: _Optional[int] = ...) -> None: ...
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SHORTAGES_FIELD_NUMBER: _ClassVar[int]
    outcome: ReserveReply.Outcome
    shortages: _containers.RepeatedCompositeFieldContainer[ReserveReply.Shortage]
    def __init__(self, outcome: _Optional[_Union[ReserveReply.Outcome, str]] = ..., shortages: _Optional[_Iterable[_Union[ReserveReply.Shortage, _Mapping]]] = ...) -> None: ...

class Level(_message.Message):
    __slots__ = ("product_id", "on_hand", "reserved", "version")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    ON_HAND_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    on_hand: int
    reserved: int
    version: int
    def __init__(self, product_id: _Optional[str] = ..., on_hand: _Optional[int] = ..., reserved: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class GetLevelsRequest(_message.Message):
    __slots__ = ("product_ids",)
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetLevelsReply(_message.Message):
    __slots__ = ("levels",)
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    levels: _containers.RepeatedCompositeFieldContainer[Level]
    def __init__(self, levels: _Optional[_Iterable[_Union[Level, _Mapping]]] = ...) -> None: ...

class SetLevelRequest(_message.Message):
    __slots__ = ("product_id", "on_hand", "adjust_by", "reason", "if_version")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    ON_HAND_FIELD_NUMBER: _ClassVar[int]
    ADJUST_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    on_hand: int
    adjust_by: int
    reason: str
    if_version: int
    def __init__(self, product_id: _Optional[str] = ..., on_hand: _Optional[int] = ..., adjust_by: _Optional[int] = ..., reason: _Optional[str] = ..., if_version: _Optional[int] = ...) -> None: ...

class SetLevelReply(_message.Message):
    __slots__ = ("outcome", "level")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[SetLevelReply.Outcome]
        SET: _ClassVar[SetLevelReply.Outcome]
        BELOW_RESERVED: _ClassVar[SetLevelReply.Outcome]
        STALE: _ClassVar[SetLevelReply.Outcome]
    OUTCOME_UNSPECIFIED: SetLevelReply.Outcome
    SET: SetLevelReply.Outcome
    BELOW_RESERVED: SetLevelReply.Outcome
    STALE: SetLevelReply.Outcome
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    outcome: SetLevelReply.Outcome
    level: Level
    def __init__(self, outcome: _Optional[_Union[SetLevelReply.Outcome, str]] = ..., level: _Optional[_Union[Level, _Mapping]] = ...) -> None: ...
