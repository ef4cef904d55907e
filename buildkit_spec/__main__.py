"""``python -m buildkit_spec`` is the command line."""

from __future__ import annotations

from buildkit_spec.cli import main

main()
