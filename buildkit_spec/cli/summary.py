"""What a finished or failed build prints."""

from __future__ import annotations

import traceback
from typing import TextIO

from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.values import BuildResult


def print_result(result: BuildResult, stream: TextIO, *, is_quiet: bool) -> None:
    """Say in two lines what came of a build and how to get the image."""
    if is_quiet:
        return
    seconds = sum(result.timings_s.values())
    if not result.was_built:
        print(f"{result.reference.familiar} is there already ({seconds:.1f} s)", file=stream)
        return
    steps = len(result.steps)
    cached = len(result.cached_steps)
    verb = "built and pushed" if result.was_pushed else "built"
    phases = ", ".join(f"{name} {value:.1f}" for name, value in result.timings_s.items())
    told = f"all {steps} steps cached" if cached == steps else f"{cached} of {steps} steps cached"
    print(f"{verb} {result.reference.familiar}", file=stream)
    print(f"  {seconds:.1f} s ({phases}); {told}", file=stream)
    if result.was_pushed:
        print(f"  docker pull {result.reference.familiar}", file=stream)


def print_failure(name: str, error: Exception, stream: TextIO) -> None:
    """Say what went wrong with one image; a traceback only for what is our own mistake."""
    if isinstance(error, BuildkitSpecError):
        from buildkit_spec.progress import failure_text

        print(f"{name}: {failure_text(error)}", file=stream)
    else:
        print(f"{name}: this is a bug in buildkit-spec, please report it:", file=stream)
        traceback.print_exception(error, file=stream)
