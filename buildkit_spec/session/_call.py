"""One call of the daemon: what a handler is given, and how it answers.

A handler takes a `Call` and returns when it is done: the stream then ends with status OK. It raises
`StatusError` to end it with another status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from buildkit_spec._pb._method import Method

Req = TypeVar("Req", covariant=True)
Other = TypeVar("Other", bound="Message")
Res = TypeVar("Res", contravariant=True)

OK = 0
CANCELLED = 1
INVALID_ARGUMENT = 3
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16


class StatusError(Exception):
    """Ends a call with a gRPC status other than OK; an answer, not a failure of the session.

    Attributes:
        code: gRPC status code; one of the constants of this module.
        message: What the daemon shows to its user, one line.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CallCancelledError(Exception):
    """The daemon reset the stream, or the session closed: nobody waits for the answer."""


class Call(Protocol[Req, Res]):
    """One call, as its handler sees it.

    Requests are read by one thread; `send` may be called from any.
    """

    @property
    def metadata(self) -> Mapping[str, tuple[str, ...]]:
        """The request's headers, in lower case, pseudo-headers left out."""

    @property
    def is_cancelled(self) -> bool:
        """Whether the stream was reset by the daemon, or the session closed."""

    def messages(self) -> Iterator[Req]:
        """The requests, until the daemon half-closes the stream.

        Raises:
            CallCancelledError: The stream was reset.
            SessionError: A request is not a message of the method's type, or is too large.
        """

    def gathered_as(self, kind: type[Other]) -> Iterator[Sequence[Other]]:
        """The requests as messages of another type, each time all that are there.

        Of another type, because a method may carry several protocols. None is late. Answers with
        more to follow go out before the next are waited for.

        Raises:
            CallCancelledError: The stream was reset.
            SessionError: As for `messages`.
        """

    def arrived(self) -> Sequence[Req]:
        """The requests that are there already; does not wait for others.

        Raises:
            CallCancelledError: The stream was reset.
            SessionError: As for `messages`.
        """

    def batches(self) -> Iterator[Sequence[Req]]:
        """The requests, many at a time, until the daemon half-closes the stream.

        For small ones that come in great numbers; each may be late by some milliseconds. A handler
        that has called `messages` gets them as they come.

        Raises:
            CallCancelledError: The stream was reset.
            SessionError: As for `messages`.
        """

    def send(self, message: Res, *, has_more: bool = False) -> None:
        """Answer with a message; waits while the daemon does not take more.

        Args:
            message: The answer.
            has_more: More follows at once, or the handler goes on to read requests: the message
                may then wait for others to travel with.

        Raises:
            CallCancelledError: The stream was reset.
        """

    def send_all(self, payloads: Iterable[bytes]) -> None:
        """Answer with messages that are serialised already; as `send` with more to follow.

        Raises:
            CallCancelledError: The stream was reset.
        """


Handler = Callable[["Call[Any, Any]"], None]
"""Answers one call. It runs in a thread of its own."""


class Attachable(Protocol):
    """A service, or a part of one, that a session offers to the daemon."""

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """The methods it answers, each with its handler."""
