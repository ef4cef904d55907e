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
       │  └─ ResolutionError             .explanation
       ├─ ExportError                    .reference
       └─ SolveCanceledError

Messages are one lower-case line that says what is wrong and where; the remedy stands on a line
of its own. No message ever holds a secret: whoever raises redacts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec._lazy import lazy_names

if TYPE_CHECKING:
    from buildkit_spec.errors.base import BuildkitSpecError
    from buildkit_spec.errors.daemon import (
        CertificateError,
        ConnectionFailedError,
        DaemonError,
        DaemonNotFoundError,
        DaemonStartError,
        DeadlineExceededError,
        TlsFailedError,
        TlsReason,
    )
    from buildkit_spec.errors.graph import (
        GraphError,
        InvalidDefinitionError,
        InvalidVertexError,
        ToolUnavailableError,
        UnsupportedCapabilityError,
    )
    from buildkit_spec.errors.registry import (
        ImageNotFoundError,
        RegistryAuthError,
        RegistryError,
        RegistryUnavailableError,
    )
    from buildkit_spec.errors.session import (
        FileChangedError,
        SecretNotFoundError,
        SecretTooLargeError,
        SessionError,
    )
    from buildkit_spec.errors.solve import (
        ExecError,
        ExportError,
        ResolutionError,
        SolveCanceledError,
        SolveError,
    )
    from buildkit_spec.errors.spec import Problem, SpecError, SpecSyntaxError, SpecValidationError
    from buildkit_spec.errors.values import (
        InvalidAddressError,
        InvalidDigestError,
        InvalidPlatformError,
        InvalidReferenceError,
        InvalidValueError,
    )

__all__ = [
    "BuildkitSpecError",
    "CertificateError",
    "ConnectionFailedError",
    "DaemonError",
    "DaemonNotFoundError",
    "DaemonStartError",
    "DeadlineExceededError",
    "ExecError",
    "ExportError",
    "FileChangedError",
    "GraphError",
    "ImageNotFoundError",
    "InvalidAddressError",
    "InvalidDefinitionError",
    "InvalidDigestError",
    "InvalidPlatformError",
    "InvalidReferenceError",
    "InvalidValueError",
    "InvalidVertexError",
    "Problem",
    "RegistryAuthError",
    "RegistryError",
    "RegistryUnavailableError",
    "ResolutionError",
    "SecretNotFoundError",
    "SecretTooLargeError",
    "SessionError",
    "SolveCanceledError",
    "SolveError",
    "SpecError",
    "SpecSyntaxError",
    "SpecValidationError",
    "TlsFailedError",
    "TlsReason",
    "ToolUnavailableError",
    "UnsupportedCapabilityError",
]

_MODULES = {
    "BuildkitSpecError": "base",
    "CertificateError": "daemon",
    "ConnectionFailedError": "daemon",
    "DaemonError": "daemon",
    "DaemonNotFoundError": "daemon",
    "DaemonStartError": "daemon",
    "DeadlineExceededError": "daemon",
    "ExecError": "solve",
    "ExportError": "solve",
    "FileChangedError": "session",
    "GraphError": "graph",
    "ImageNotFoundError": "registry",
    "InvalidAddressError": "values",
    "InvalidDefinitionError": "graph",
    "InvalidDigestError": "values",
    "InvalidPlatformError": "values",
    "InvalidReferenceError": "values",
    "InvalidValueError": "values",
    "InvalidVertexError": "graph",
    "Problem": "spec",
    "RegistryAuthError": "registry",
    "RegistryError": "registry",
    "RegistryUnavailableError": "registry",
    "ResolutionError": "solve",
    "SecretNotFoundError": "session",
    "SecretTooLargeError": "session",
    "SessionError": "session",
    "SolveCanceledError": "solve",
    "SolveError": "solve",
    "SpecError": "spec",
    "SpecSyntaxError": "spec",
    "SpecValidationError": "spec",
    "TlsFailedError": "daemon",
    "TlsReason": "daemon",
    "ToolUnavailableError": "graph",
    "UnsupportedCapabilityError": "graph",
}


__getattr__ = lazy_names(__name__, _MODULES)
