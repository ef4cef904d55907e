"""Daemons that cannot be used, and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from buildkit_spec.errors.base import BuildkitSpecError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class DaemonError(BuildkitSpecError):
    """The BuildKit daemon cannot be used.

    Attributes:
        address: The address tried; empty when none was found.
    """

    def __init__(self, message: str, *, address: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.address = address


class DaemonNotFoundError(DaemonError):
    """No address is set and nothing answers at the usual places.

    Attributes:
        is_set: Whether one is named after all, that does not exist.
    """

    def __init__(
        self, message: str, *, is_set: bool = False, address: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, address=address, remedy=remedy)
        self.is_set = is_set


class DaemonStartError(DaemonError):
    """A daemon of our own cannot be started.

    Attributes:
        path: Its log, or the folder that cannot be used.
        log_tail: The last lines of the log.
    """

    def __init__(
        self, message: str, *, path: str = "", log_tail: Sequence[str] = (), remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.path = path
        self.log_tail = tuple(log_tail)


class ConnectionFailedError(DaemonError):
    """The daemon refused the connection, vanished, or is not BuildKit."""

    is_temporary = True


TlsReason = Literal[
    "untrusted",
    "expired",
    "not yet valid",
    "other name",
    "certificate wanted",
    "certificate refused",
    "no tls",
    "own files",
    "other",
]
"""Why there is no TLS with a daemon: its certificate (the first four), ours, or neither."""


class TlsFailedError(ConnectionFailedError):
    """There is no TLS with the daemon: we do not trust it, it does not trust us, or it speaks none.

    Attributes:
        reason: Which of these.
        names: Names and addresses that the daemon's certificate is for, where it was read.
        not_before: From when the certificate holds that is out of its time, UTC; else None.
        not_after: Until when, UTC; else None.
        path: Our own file that cannot be used; else empty.
    """

    is_temporary = False

    def __init__(
        self,
        message: str,
        *,
        reason: TlsReason,
        address: str = "",
        names: Sequence[str] = (),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        path: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, address=address, remedy=remedy)
        self.reason = reason
        self.names = tuple(names)
        self.not_before = not_before
        self.not_after = not_after
        self.path = path


class DeadlineExceededError(DaemonError, TimeoutError):
    """The daemon did not answer in time.

    Attributes:
        timeout_s: How long we waited, in seconds.
    """

    is_temporary = True

    def __init__(
        self, message: str, *, timeout_s: float, address: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, address=address, remedy=remedy)
        self.timeout_s = timeout_s


class CertificateError(BuildkitSpecError):
    """A certificate or key cannot be read, made or kept.

    Attributes:
        path: The file or folder.
    """

    def __init__(self, message: str, *, path: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.path = path
