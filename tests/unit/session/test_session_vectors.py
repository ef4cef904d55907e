"""What is sent of a tree, against what BuildKit's own client sends of it.

``fsutil_vectors.json`` was made by a Go program that ran fsutil's ``NewFilterFS`` and
``WithHardlinkReset`` over the trees in it, as ``session/filesync/filesync.go`` does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from buildkit_spec.session._selection import narrowed, selection
from buildkit_spec.session._walk import SENT, Tree

VECTORS: dict[str, Any] = json.loads(
    Path(__file__).with_name("fsutil_vectors.json").read_text("utf-8")
)


def make(root: Path, tree: dict[str, str]) -> None:
    for path, kind in tree.items():
        word, _, target = kind.partition(":")
        if word == "dir":
            (root / path).mkdir()
        elif word == "link":
            (root / path).symlink_to(target)
        elif word == "same":
            os.link(root / target, root / path)
        else:
            (root / path).write_text(path)


@pytest.mark.parametrize("number", range(len(VECTORS["trees"])))
def test_same_entries_are_sent_as_by_fsutil(number: int, tmp_path: Path) -> None:
    """Paths, their order and their links are fsutil's, whether walked for it or known before."""
    make(tmp_path, VECTORS["trees"][number])
    cases = [case for case in VECTORS["cases"] if case["tree"] == number]
    assert cases
    for case in cases:
        with Tree(tmp_path) as tree:
            choose = selection(
                tree,
                None,
                includes=case["includes"],
                excludes=case["excludes"],
                follow=case["follow"],
            )
            everything = list(tree.walk(lambda path, is_dir, memory: SENT))
            for entries in (tree.walk(choose), narrowed(everything, choose)):
                sent = {entry.path: entry.link for entry in entries}

                assert list(sent.items()) == list(case["sent"].items()), case
