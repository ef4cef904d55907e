"""What a gRPC client or server needs to know of one method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Req, Res]):
    """A method of a service.

    Attributes:
        path: ``/package.Service/Method``, as in the HTTP/2 request.
        request: The class of what the client sends.
        response: The class of what the server sends.
        is_client_streaming: The client sends any number of requests, not one.
        is_server_streaming: The server sends any number of responses, not one.
    """

    path: str
    request: type[Req]
    response: type[Res]
    is_client_streaming: bool = False
    is_server_streaming: bool = False
