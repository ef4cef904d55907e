"""Putting branches together: merged where the daemon can, one after another where it cannot."""

from __future__ import annotations

from collections.abc import Callable

from buildkit_spec import llb

_NOTHING = llb.rm("/dev/buildkit-spec/nothing", allow_not_found=True)
"""Leaves everything as it is, in a layer of its own that no image has.

A difference to its own parent is, for BuildKit, the layer of that parent's child, with the chain of
layers below it. An image of just these layers, used as a base on the same daemon, would then be
taken for the difference, which has nothing of what is below. With a parent that is in no image the
chain is no image's either. Source: ``cache/blobs.go`` (``computeChainMetadata``, "re-using upper
blob"), ``cache/manager.go`` (``GetByBlob``); seen with BuildKit 0.22 to 0.25.
"""

Step = Callable[[llb.State], llb.State]
"""Takes a file system to one that has something more."""


class Assembly:
    """A file system that grows by branches.

    With ``mergeop`` and ``diffop`` a branch is built on what it needs alone, beside the others, and
    only its layer goes into the image. Without, every step is built on the one before it. The file
    system is the same.

    Args:
        base: What to begin with.
        can_merge: Whether the daemon can merge and take differences.
        label: Goes before the names of the vertices that only take apart and put together.
    """

    def __init__(self, base: llb.State, *, can_merge: bool, label: str = "") -> None:
        self._state = base
        self._can_merge = can_merge
        self._name = f"[internal] {label}".strip()
        self._branches: list[tuple[llb.State, llb.State]] = []

    def branch(self, root: llb.State, step: Step) -> llb.State:
        """Add what *step* does to *root*.

        Returns:
            What the step left; further branches may grow on it.
        """
        if not self._can_merge:
            self._state = step(self._state)
            return self._state
        root = root.file(_NOTHING, name=f"{self._name} begin a layer")
        result = step(root)
        self._branches.append((root, result))
        return result

    def join(self) -> llb.State:
        """Return the file system with all branches so far."""
        branches, self._branches = self._branches, []
        if branches:
            name = f"{self._name} take a layer"
            layers = [llb.diff(root, result, name=name) for root, result in branches]
            self._state = llb.merge([self._state, *layers], name=f"{self._name} join the layers")
        return self._state

    def grow(self, step: Step) -> llb.State:
        """Do *step* on everything so far."""
        self._state = step(self.join())
        return self._state
