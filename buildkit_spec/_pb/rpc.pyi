from collections.abc import Iterable

from google.protobuf.internal import well_known_types
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message

class Any(Message, well_known_types.Any):
    type_url: str
    value: bytes
    def __init__(self, *, type_url: str = ..., value: bytes = ...) -> None: ...

class Status(Message):
    code: int
    message: str
    @property
    def details(self) -> RepeatedCompositeFieldContainer[Any]: ...
    def __init__(
        self, *, code: int = ..., message: str = ..., details: Iterable[Any] | None = ...
    ) -> None: ...
