"""The error hierarchy: every error this package raises on purpose.

::

    BuildkitSpecError                    .remedy  .is_temporary
    ├─ InvalidValueError (ValueError)    .value .rule
    │  ├─ InvalidReferenceError
    │  ├─ InvalidDigestError
    │  ├─ InvalidPlatformError
    │  └─ InvalidAddressError
    ├─ SpecError (ValueError)            .source
    │  ├─ SpecSyntaxError                .line .column
    │  └─ SpecValidationError            .problems: all of them, each with field, line, column
    ├─ GraphError
    │  ├─ InvalidVertexError
    │  └─ InvalidDefinitionError         .digest
    ├─ UnsupportedCapabilityError        .capability
    ├─ ToolUnavailableError              .tool
    ├─ DaemonError                       .address
    │  ├─ DaemonNotFoundError            .is_set: no address is set and none answers
    │  ├─ DaemonStartError               .path .log_tail
    │  ├─ ConnectionFailedError          refused, vanished, not BuildKit
    │  │  └─ TlsFailedError              .reason .names .not_before .not_after .path
    │  └─ DeadlineExceededError (TimeoutError)  .timeout_s
    ├─ CertificateError                  .path
    ├─ SessionError
    │  ├─ SecretNotFoundError            .id
    │  ├─ SecretTooLargeError            .id .size_bytes .limit_bytes
    │  └─ FileChangedError               .path
    ├─ RegistryError                     .reference .status
    │  ├─ RegistryAuthError              401, 403: wrong or missing login
    │  ├─ RegistryUnavailableError       429, 5xx, refused, timeout: cannot tell
    │  └─ ImageNotFoundError             surely absent
    └─ SolveError                        .code .vertex .source .platform .log_tail
       ├─ ExecError                      .command .exit_code
       ├─ ExportError                    .reference
       └─ SolveCanceledError

Messages are one lower-case line that says what is wrong and where; the remedy stands on a line
of its own. No message ever holds a secret: whoever raises redacts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class BuildkitSpecError(Exception):
    """Root of the hierarchy.

    Attributes:
        message: What is wrong, one line.
        remedy: What to do about it: a command to run or one sentence; empty when there is none.
        is_temporary: Whether the same call may succeed later with nothing changed by the user.
    """

    is_temporary: bool = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message


class InvalidValueError(BuildkitSpecError, ValueError):
    """A value does not have the form it must have.

    Attributes:
        value: The text as it was given.
        rule: The rule it breaks.
    """

    noun = "value"

    def __init__(self, value: str, rule: str, *, remedy: str = "") -> None:
        super().__init__(f"invalid {self.noun}: {value!r} ({rule})", remedy=remedy)
        self.value = value
        self.rule = rule


class InvalidReferenceError(InvalidValueError):
    """An image reference breaks the rules of the distribution spec."""

    noun = "image reference"


class InvalidDigestError(InvalidValueError):
    """A digest is not ``algorithm:hex``."""

    noun = "digest"


class InvalidPlatformError(InvalidValueError):
    """A platform is not ``os/architecture[/variant]``."""

    noun = "platform"


class InvalidAddressError(InvalidValueError):
    """A daemon address has an unknown scheme or a missing part."""

    noun = "daemon address"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec.

    Attributes:
        field: Where, as a path: ``packages[2]``; empty for the spec as a whole.
        message: What is wrong, one line.
        remedy: What to write instead; may be empty.
        line: 1-based line in the YAML file; 0 when the spec did not come from a file.
        column: 1-based column in the YAML file; 0 likewise.
    """

    field: str
    message: str
    remedy: str = ""
    line: int = 0
    column: int = 0


class SpecError(BuildkitSpecError, ValueError):
    """An image spec cannot be used.

    Attributes:
        source: The file it came from, or empty.
    """

    def __init__(self, message: str, *, source: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.source = source


class SpecSyntaxError(SpecError):
    """A spec file is not YAML, or not a mapping.

    Attributes:
        line: 1-based; 0 when unknown.
        column: 1-based; 0 when unknown.
    """

    def __init__(
        self, message: str, *, source: str = "", line: int = 0, column: int = 0, remedy: str = ""
    ) -> None:
        place = f"{source}:{line}:{column}: " if line else (f"{source}: " if source else "")
        super().__init__(place + message, source=source, remedy=remedy)
        self.line = line
        self.column = column


class SpecValidationError(SpecError):
    """A spec has one or more problems; all of them are reported at once.

    Attributes:
        problems: Every problem found, in the order of the fields.
    """

    def __init__(self, problems: Sequence[Problem], *, source: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{source or 'image spec'}: {count} problem{'s' if count != 1 else ''}"
        lines = [head]
        for problem in self.problems:
            place = f"{source}:{problem.line}:{problem.column}: " if problem.line else ""
            field = f"{problem.field}: " if problem.field else ""
            lines.append(f"  {place}{field}{problem.message}")
            if problem.remedy:
                lines.append(f"    → {problem.remedy}")
        super().__init__("\n".join(lines), source=source)


class GraphError(BuildkitSpecError):
    """A graph cannot be made or read."""


class InvalidVertexError(GraphError):
    """A vertex breaks a rule of its op."""


class InvalidDefinitionError(GraphError):
    """Bytes are not a valid definition.

    Attributes:
        digest: Digest of the op that is wrong; empty when it is the definition as a whole.
    """

    def __init__(self, message: str, *, digest: str = "") -> None:
        super().__init__(message)
        self.digest = digest


class UnsupportedCapabilityError(BuildkitSpecError):
    """The daemon cannot do what the build needs.

    Attributes:
        capability: The capability's name as the daemon spells it, such as ``mergeop``.
    """

    def __init__(self, message: str, *, capability: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.capability = capability


class ToolUnavailableError(BuildkitSpecError):
    """A program that the build needs cannot be had.

    Attributes:
        tool: The program, such as ``uv``.
    """

    def __init__(self, message: str, *, tool: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.tool = tool


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


class SessionError(BuildkitSpecError):
    """What we serve back to the daemon cannot be served."""


class SecretNotFoundError(SessionError, LookupError):
    """A secret has no source.

    Attributes:
        id: The secret's id.
    """

    def __init__(self, message: str, *, id: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.id = id


class SecretTooLargeError(SessionError, ValueError):
    """A secret is larger than a daemon takes.

    Attributes:
        id: The secret's id.
        size_bytes: Its size.
        limit_bytes: The daemon's limit.
    """

    def __init__(self, *, id: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"secret {id!r} is too large: {size_bytes} bytes (a daemon takes {limit_bytes})",
            remedy="mount a token or a key, and fetch the rest in the build",
        )
        self.id = id
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class FileChangedError(SessionError):
    """A file changed while it was being sent.

    Attributes:
        path: The file, relative to the shared directory.
    """

    is_temporary = True

    def __init__(self, message: str, *, path: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.path = path


class RegistryError(BuildkitSpecError):
    """A registry did not do what was asked.

    Attributes:
        reference: The image asked about.
        status: The HTTP status; 0 when there was no answer.
    """

    def __init__(
        self, message: str, *, reference: str = "", status: int = 0, remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.reference = reference
        self.status = status


class RegistryAuthError(RegistryError):
    """The registry wants another login, or this login may not do this."""


class RegistryUnavailableError(RegistryError):
    """The registry did not answer the question: nothing is known about the image."""

    is_temporary = True


class ImageNotFoundError(RegistryError):
    """The registry answered: there is no such image."""


class SolveError(BuildkitSpecError):
    """A build failed on the daemon.

    Attributes:
        code: gRPC status code name, such as ``UNKNOWN``.
        vertex: Name of the step that failed, or empty.
        vertex_digest: Its digest, or empty.
        source: What in the spec the step comes from, or empty.
        platform: Of an image for several platforms the one that failed, or empty.
        log_tail: The step's last log lines.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        vertex: str = "",
        source: str = "",
        log_tail: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.vertex = vertex
        self.vertex_digest = ""
        self.source = source
        self.platform = ""
        self.log_tail = tuple(log_tail)


class ExecError(SolveError):
    """A command of the build ended with an exit code that is not allowed.

    Attributes:
        command: The arguments as they were run.
        exit_code: What it ended with.
    """

    def __init__(
        self,
        message: str,
        *,
        command: Sequence[str] = (),
        exit_code: int,
        code: str = "",
        vertex: str = "",
        source: str = "",
        log_tail: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(
            message, code=code, vertex=vertex, source=source, log_tail=log_tail, remedy=remedy
        )
        self.command = tuple(command)
        self.exit_code = exit_code


class ResolutionError(ExecError):
    """The Python packages of a spec do not go together, or cannot be found.

    Attributes:
        explanation: Why, in the resolver's own words: lines.
    """

    def __init__(
        self,
        message: str,
        *,
        explanation: Sequence[str],
        exit_code: int,
        vertex: str = "",
        source: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, exit_code=exit_code, vertex=vertex, source=source, remedy=remedy)
        self.explanation = tuple(explanation)


class ExportError(SolveError):
    """The image was built but could not be exported or pushed.

    Attributes:
        reference: Where it was to go.
    """

    def __init__(
        self,
        message: str,
        *,
        reference: str = "",
        code: str = "",
        log_tail: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(message, code=code, log_tail=log_tail, remedy=remedy)
        self.reference = reference


class SolveCanceledError(SolveError):
    """The build was cancelled, by us or on the daemon."""
