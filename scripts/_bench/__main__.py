"""Run the parts named on the command line, or all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from _bench import context, exists, marshal, nochange, pool, pyflyte, scale, scenarios, startup


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, epilog="FILE is found from the repository on."
    )
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument(
        "--scenarios", type=Path, metavar="FILE", help="steps of `scenarios` and `flyte`"
    )
    parser.add_argument("--peer", type=Path, metavar="FILE", help="the peer's script")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of `scenarios` and `flyte` (default: 3)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="where our time goes")
    options = parser.parse_intermixed_args(words)
    parts: dict[str, Callable[[], None]] = {
        "startup": startup.measure,
        "nochange": nochange.measure,
        "marshal": marshal.measure,
        "context": context.measure,
        "exists": exists.measure,
        "scenarios": lambda: scenarios.measure(
            options.scenarios,
            options.peer,
            rounds=max(1, options.rounds),
            is_verbose=options.verbose,
        ),
        "pool": pool.measure,
        "flyte": lambda: pyflyte.measure(options.scenarios, rounds=max(1, options.rounds)),
        "scale": lambda: scale.measure(is_verbose=options.verbose),
    }
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}: one of {', '.join(parts)}")
    for name in options.parts or parts:
        print(f"\n== {name}", flush=True)
        parts[name]()
    return 0


sys.exit(main(sys.argv[1:]))
