"""The scenario file for us and for flytekit's own builder, step by step in turn."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from _bench import depot, flyte, images, ours, scenario
from _bench.scenario import Step
from _bench.table import Figures, Measured, show
from _bench.tidy import tidy

SHARED = Path(__file__).parents[3] / "shared" / "bench"
"""Beside the repository."""

ABOUT = """\
Ours is `buildkit-spec build`, imported already, and beside it the whole process; the peer is
flytekit's builder, imported already, building and pushing over docker buildx. Same daemon, same
registry (empty at the start of a round), same base image, which is new in every round: so no layer
is cached when it begins. Before the first round both build once without being timed: then what they
download, and with us the bytecode of wheels, is in their caches on the daemon."""


def measure(file: Path | None, peer: Path | None, *, rounds: int, is_verbose: bool) -> None:
    """Go through the steps, ours and the peer's in turn; whose turn is first alternates by round.

    Args:
        file: The scenarios; by default those of the shared folder beside the repository.
        peer: The peer's script; likewise.
        rounds: How often; the figures are medians.
        is_verbose: Whether to print the phases and the longest steps of our builds.
    """
    file = existing(file, "scenarios.json", "--scenarios")
    peer = existing(peer, "peer_default_builder.py", "--peer")
    steps = scenario.read(file)
    print(ABOUT, flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        states = scenario.warm_up(steps)
        warming = [Step(f"warm-up {number + 1}", state) for number, state in enumerate(states)]
        say("warm-up, not timed")
        document = folder / "warm-up.json"
        document.write_text(json.dumps(scenario.document(states)), "utf-8")
        _round(warming, document, peer, folder / "warm-up", is_ours_first=True)
        figures = Figures()
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            _round(
                steps,
                file,
                peer,
                folder / f"round-{number}",
                is_ours_first=number % 2 == 0,
                figures=figures,
                is_verbose=is_verbose,
            )
    show(figures, [step.name for step in steps])


def _round(
    steps: Sequence[Step],
    document: Path,
    script: Path,
    folder: Path,
    *,
    is_ours_first: bool,
    figures: Figures | None = None,
    is_verbose: bool = False,
) -> None:
    salt = uuid.uuid4().hex[:12]
    folder.mkdir()
    with ExitStack() as stack:
        place = stack.enter_context(depot.running(folder))
        stack.callback(tidy, place.host, salt)
        images.push_tools(place)
        base = images.push_base(place, salt)
        ours_side = _Ours(place, base, folder)
        peer = stack.enter_context(flyte.running(script, document, place, base, folder))
        builds: dict[str, Callable[[Step], tuple[float, float, str]]] = {
            "ours": ours_side.step,
            "peer": lambda _: ((said := peer.step()).seconds, said.seconds, said.image),
        }
        for step in steps:
            for who in ("ours", "peer") if is_ours_first else ("peer", "ours"):
                os.sync()  # what the one left to be written is not the other's to wait for
                before = place.stored()
                seconds, process_s, reference = builds[who](step)
                pushed = depot.new_bytes(before, place.stored())
                if figures is None:
                    continue
                size = place.image_bytes(reference)
                figures.add(step.name, who, Measured(seconds, process_s, pushed, size))
                say(f"  {step.name}: {who} {seconds:.2f} s")
                if is_verbose and who == "ours":
                    for line in ours.profile(ours_side.log):
                        say(f"      {line}")


class _Ours:
    """Our builds of one round."""

    def __init__(self, place: depot.Depot, base: str, folder: Path) -> None:
        self._place, self._base, self._folder = place, base, folder
        self._source = folder / "source"
        self._source.mkdir()
        self.log = ""

    def step(self, step: Step) -> tuple[float, float, str]:
        """Build a step's state; returns seconds, those of the whole process, and the image."""
        for name, text in step.state["source"].items():
            file = self._source / name
            if not file.exists() or file.read_text("utf-8") != text:
                file.write_text(text, "utf-8")
        spec = self._folder / "image.yaml"
        spec.write_text(
            scenario.image_yaml(
                step.state,
                registry=f"{self._place.host}/bench",
                base_image=f"{self._place.host}/{self._base}",
                source_root=self._source,
            ),
            "utf-8",
        )
        built = ours.build([spec], self._folder / "ours.log")
        self.log = built.log
        return built.seconds, built.process_s, built.references[0]


def existing(file: Path | None, name: str, option: str) -> Path:
    """Return *file*, or the one of that *name* in the shared folder."""
    found = file or SHARED / name
    if not found.is_file():
        raise SystemExit(f"there is no {found}: name the file with {option} FILE")
    return found


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)
