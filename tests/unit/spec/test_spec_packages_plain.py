"""The quick check of plain package names takes nothing that the parser of PEP 508 refuses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from buildkit_spec.spec.packages import _PLAIN


@given(st.from_regex(_PLAIN, fullmatch=True))
def test_plain_package_is_a_requirement(text: str) -> None:
    """Whatever the quick check takes, the parser takes too."""
    assert Requirement(text.rstrip("\n"))
