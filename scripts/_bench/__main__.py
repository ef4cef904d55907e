"""Run the parts named on the command line, or all."""

from __future__ import annotations

import sys

from _bench import context, marshal, nochange, startup

PARTS = {
    "startup": startup.measure,
    "nochange": nochange.measure,
    "marshal": marshal.measure,
    "context": context.measure,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"unknown part {unknown[0]!r}: one of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in names or PARTS:
        print(f"\n== {name}")
        PARTS[name]()
    return 0


sys.exit(main(sys.argv[1:]))
