"""Run the parts named on the command line, or all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from _bench import (
    exists,
    marshal,
    nochange,
    pool,
    pyflyte,
    scale,
    scenarios,
    session,
    soak,
    startup,
)


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
        "--rounds",
        type=int,
        help="of `scenarios`, `flyte` (default: 3), `session` (default: 5), `soak` (default: 20)",
    )
    parser.add_argument(
        "--megabytes", type=int, default=1000, metavar="MB", help="of a round of `soak`"
    )
    parser.add_argument(
        "--buildctl", type=Path, metavar="FILE", help="a further peer of `session`, on --addr"
    )
    parser.add_argument("--addr", default="", help="a buildkitd, for --buildctl")
    parser.add_argument("-v", "--verbose", action="store_true", help="where our time goes")
    options = parser.parse_intermixed_args(words)
    if options.buildctl and not options.addr:
        parser.error("--buildctl needs --addr: it cannot speak to a Docker Engine")
    rounds = max(1, options.rounds or 3)
    parts: dict[str, Callable[[], None]] = {
        "startup": startup.measure,
        "nochange": nochange.measure,
        "marshal": marshal.measure,
        "session": lambda: session.measure(
            rounds=max(1, options.rounds or 5), buildctl=options.buildctl, address=options.addr
        ),
        "exists": exists.measure,
        "scenarios": lambda: scenarios.measure(
            options.scenarios,
            options.peer,
            rounds=rounds,
            is_verbose=options.verbose,
        ),
        "pool": pool.measure,
        "flyte": lambda: pyflyte.measure(options.scenarios, rounds=rounds),
        "scale": lambda: scale.measure(is_verbose=options.verbose),
        "soak": lambda: soak.measure(
            rounds=max(1, options.rounds or 20), size_bytes=options.megabytes * 1_000_000
        ),
    }
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}: one of {', '.join(parts)}")
    for name in options.parts or [name for name in parts if name != "soak"]:
        print(f"\n== {name}", flush=True)
        parts[name]()
    return 0


sys.exit(main(sys.argv[1:]))
