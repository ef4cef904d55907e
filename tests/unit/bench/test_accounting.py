"""What the bench counts: new bytes, medians, the image of an index, what is to be removed."""

from __future__ import annotations

import pytest
from _bench import depot, ours
from _bench.table import Figures, Measured, show
from _bench.tidy import descendants


def test_new_bytes_count_what_was_not_there_before() -> None:
    """What is still there, or went away, counts nothing."""
    assert depot.new_bytes({"a": 5, "gone": 7}, {"a": 5, "b": 30, "c": 2}) == 32


def test_image_of_an_index_is_the_one_that_is_no_attestation() -> None:
    """BuildKit lists attestations as platform unknown."""
    index = {
        "manifests": [
            {"digest": "sha256:image", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:other", "platform": {"os": "unknown", "architecture": "unknown"}},
        ]
    }

    assert depot.image_digest(index) == "sha256:image"


STEP = "small package added"


def test_figures_are_medians_over_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    """One slow round does not count; a goal that is missed, and a larger image, are said."""
    figures = Figures()
    for ours_s, peer_s in [(1.0, 10.0), (1.2, 9.0), (9.0, 30.0)]:
        figures.add(STEP, "ours", Measured(ours_s, ours_s + 1, 2_000_000, 11_000_000))
        figures.add(STEP, "peer", Measured(peer_s, peer_s, 50_000_000, 10_000_000))
    show(figures, [STEP])

    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split() == [
        *("small", "package", "added", "1.20", "10.00", "0.120", "(0.100–0.300)"),
        *("≤", "0.05", "MISSED", "2.20", "2.00", "50.00", "11.0", "10.0", "larger"),
    ]


def test_profile_tells_phases_and_the_longest_steps_by_length() -> None:
    """Steps that took no time, and how to pull the image, are left out."""
    log = """\
{"type": "step", "step": 1, "name": "short", "state": "done", "duration_s": 0.2}
{"type": "step", "step": 2, "name": "long", "state": "running"}
{"type": "step", "step": 2, "name": "long", "state": "done", "duration_s": 3.0}
{"type": "step", "step": 3, "name": "nothing", "state": "done", "duration_s": 0.001}
{"type": "summary"}
built and pushed it
  3.3 s (check 0.1, build 3.2); 0 of 3 steps cached
  docker pull it
"""

    assert [" ".join(line.split()) for line in ours.profile(log)] == [
        "built and pushed it",
        "3.3 s (check 0.1, build 3.2); 0 of 3 steps cached",
        "3.00 s long",
        "0.20 s short",
    ]


def test_descendants_are_all_below_and_nothing_else() -> None:
    """Through several parents and generations."""
    parents = {"root": {"base"}, "a": {"root"}, "b": {"a", "other"}, "other": {"base"}, "c": {"b"}}

    assert descendants(["root"], parents) == {"root", "a", "b", "c"}
