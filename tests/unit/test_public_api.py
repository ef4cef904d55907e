"""The public surface is what ``__all__`` says, and importing it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import buildkit_spec


def test_every_public_name_can_be_imported() -> None:
    """Names are lazy, so each has to be asked for once."""
    assert all(getattr(buildkit_spec, name) is not None for name in buildkit_spec.__all__)


def test_public_names_are_sorted() -> None:
    """One order, so that two additions do not clash: constants, classes, functions."""
    assert buildkit_spec.__all__ == sorted(buildkit_spec.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    """A typing error is told as Python tells it."""
    assert not hasattr(buildkit_spec, "ImageSpek")


def test_importing_the_package_loads_nothing_heavy() -> None:
    """``--help`` and plugins pay for what they use only."""
    code = (
        "import sys, buildkit_spec, buildkit_spec.cli\n"
        "heavy = {'grpc', 'pydantic', 'google.protobuf', 'rich', 'yaml', 'ssl', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
