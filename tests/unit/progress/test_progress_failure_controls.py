"""What a daemon or a registry says cannot reach the terminal as anything but text."""

from __future__ import annotations

import pytest

from buildkit_spec.errors import BuildkitSpecError, ExportError, RegistryError, SolveError
from buildkit_spec.progress.failure import failure_text

_EVIL = "\x1b]0;title\x07\x1b[2Jhi"


@pytest.mark.parametrize(
    "error",
    [
        SolveError(_EVIL, code="UNKNOWN"),
        ExportError(_EVIL, code="UNKNOWN", reference=_EVIL),
        RegistryError(_EVIL, remedy=_EVIL),
    ],
)
def test_failures_have_no_escape_sequences(error: BuildkitSpecError) -> None:
    """The message itself is cleaned, as the last lines of a step are."""
    text = failure_text(error)

    assert "hi" in text
    assert "\x1b" not in text
    assert "\x07" not in text
