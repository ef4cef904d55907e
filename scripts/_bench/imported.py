"""Runs our command line imported already, and tells its seconds: the peer is measured so too."""

from __future__ import annotations

import atexit
import json
import os
import sys
import time

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as the command line does

import buildkit_spec.cli.build
import buildkit_spec.job
import buildkit_spec.progress.jsonl
import buildkit_spec.spec.loader  # noqa: F401
from buildkit_spec.cli import main


def _tell() -> None:
    event = {"type": "took", "seconds": time.perf_counter() - _began}
    print(json.dumps(event), file=sys.stderr, flush=True)


atexit.register(_tell)
_began = time.perf_counter()
main()
