"""What the fixtures of `conftest.py` are, for the signatures of tests."""

from __future__ import annotations

from collections.abc import Callable

from pulled import PulledImage

from buildkit_spec import BuildResult, ImageSpec

MakeSpec = Callable[..., ImageSpec]
"""Makes specs on the base image, in a repository no other test has."""

Pulled = Callable[[BuildResult], PulledImage]
"""Reads an image back from the registry, unpacked under the test's own directory."""
