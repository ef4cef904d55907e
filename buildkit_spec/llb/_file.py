"""The file op: file actions, done one after another by the daemon itself.

Source: ``client/llb/fileop.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import constants
from buildkit_spec.llb._actions import ActionChain, Copy, FileAction
from buildkit_spec.llb._vertex import Constraints, Edges, Output, Vertex
from buildkit_spec.llb.constants import EMPTY_INPUT, NO_OUTPUT


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FileVertex(Vertex):
    """File actions.

    Attributes:
        chain: The actions with what they are done on.
    """

    chain: ActionChain

    def inputs(self) -> Iterator[Output]:
        """Yield the base and what is copied from, last action first."""
        return _outputs(self.chain)

    def caps(self, constraints: Constraints) -> frozenset[str]:
        """Return the capabilities of all actions.

        Go's client collects them before there are any (0.32) and so sets ``file.base`` alone; a
        daemon that lacks one would then silently copy something else.
        """
        return frozenset({constants.CAP_FILE_BASE}).union(
            *(action.caps() for action in _actions(self.chain))
        )

    def body(self, edges: Edges, constraints: Constraints) -> pb.Op:
        """Return the actions as a message."""
        steps: list[_Step] = []
        _lay_out(self.chain, edges, steps, {})
        message = pb.FileOp()
        for index, step in enumerate(steps):
            action = step.action.to_pb(step.cwd, step.base)
            action.input = step.input.resolve(len(edges))
            action.secondaryInput = step.secondary.resolve(len(edges))
            action.output = 0 if index == len(steps) - 1 else NO_OUTPUT
            message.actions.append(action)
        return pb.Op(file=message)


@dataclass(frozen=True, slots=True)
class _Place:
    """An index of an input, or of an earlier action: those are counted on behind the inputs."""

    index: int
    is_action: bool = False

    def resolve(self, input_count: int) -> int:
        return self.index + input_count if self.is_action else self.index


@dataclass(frozen=True, slots=True)
class _Step:
    action: FileAction
    cwd: str
    base: int
    input: _Place
    secondary: _Place


def _lay_out(
    chain: ActionChain, edges: Edges, steps: list[_Step], done: dict[int, _Place]
) -> _Place:
    """Append the steps of *chain* and of the chains it copies from; return its last one."""
    if id(chain) in done:
        return done[id(chain)]
    last: _Place | None = None
    for action in chain.actions:
        base = edges.add(chain.base.output)
        secondary = _Place(EMPTY_INPUT)
        if isinstance(action, Copy):
            if isinstance(action.source, ActionChain):
                secondary = _lay_out(action.source, edges, steps, done)
            else:
                secondary = _Place(edges.add(action.source.output))
        steps.append(_Step(action, chain.base.cwd, base, last or _Place(base), secondary))
        last = _Place(len(steps) - 1, is_action=True)
    assert last is not None
    done[id(chain)] = last
    return last


def _outputs(chain: ActionChain) -> Iterator[Output]:
    for action in reversed(chain.actions):
        if chain.base.output is not None:
            yield chain.base.output
        if isinstance(action, Copy):
            if isinstance(action.source, ActionChain):
                yield from _outputs(action.source)
            elif action.source.output is not None:
                yield action.source.output


def _actions(chain: ActionChain) -> Iterator[FileAction]:
    for action in chain.actions:
        yield action
        if isinstance(action, Copy) and isinstance(action.source, ActionChain):
            yield from _actions(action.source)
