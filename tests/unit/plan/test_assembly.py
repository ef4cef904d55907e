"""Branches put together: merged, or one after another; the steps are the same."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan.assembly import Assembly, Step

BASE = llb.image("base.test/image:1", name="base")
_SHORT = {
    "[internal] begin a layer": "new",
    "[internal] take a layer": "diff",
    "[internal] join the layers": "merge",
}


def running(name: str) -> Step:
    return lambda state: state.run(["/bin/true"], name=name).root


def told(state: llb.State) -> str:
    """The graph as an expression: every step with what it is built on in parentheses."""
    assert state.output is not None
    vertex = state.output.vertex
    name = _SHORT.get(vertex.meta.name, vertex.meta.name)
    inputs = [told(state.with_output(one)) for one in vertex.inputs()]
    return f"{name}({', '.join(inputs)})" if inputs else name


def test_branches_are_merged_as_differences_from_their_roots() -> None:
    """Each is built on its own root alone, and its layers stand in the order they were added."""
    assembly = Assembly(BASE, can_merge=True)
    apt = assembly.branch(BASE, running("apt"))
    assembly.branch(BASE, running("group"))
    assembly.branch(apt, running("copy"))

    assert told(assembly.join()) == (
        "merge(base, diff(new(base), apt(new(base))), diff(new(base), group(new(base))), "
        "diff(new(apt(new(base))), copy(new(apt(new(base))))))"
    )


def test_branches_become_a_chain_where_nothing_can_be_merged() -> None:
    """The same steps in the same order, and neither a merge nor a difference."""
    assembly = Assembly(BASE, can_merge=False)
    apt = assembly.branch(BASE, running("apt"))
    assembly.branch(BASE, running("group"))
    assembly.branch(apt, running("copy"))
    state = assembly.grow(running("command"))

    assert told(state) == "command(copy(group(apt(base))))"
    assert told(assembly.join()) == told(state)


def test_single_branch_is_merged_too() -> None:
    """It has the same steps as beside others: one more branch runs none of them again."""
    assembly = Assembly(BASE, can_merge=True)
    assembly.branch(BASE, running("apt"))

    assert told(assembly.join()) == "merge(base, diff(new(base), apt(new(base))))"


def test_single_branch_of_something_else_is_merged() -> None:
    """What was built on another root does not hold what came before."""
    assembly = Assembly(BASE, can_merge=True)
    assembly.grow(running("apt"))
    assembly.branch(BASE, running("group"))

    assert told(assembly.join()) == "merge(apt(base), diff(new(base), group(new(base))))"


def test_step_that_needs_everything_is_built_on_the_merge() -> None:
    """Afterwards there is nothing left to join, and branches can grow again."""
    assembly = Assembly(BASE, can_merge=True)
    assembly.branch(BASE, running("a"))
    assembly.branch(BASE, running("b"))
    merged = "merge(base, diff(new(base), a(new(base))), diff(new(base), b(new(base))))"

    grown = assembly.grow(running("command"))
    assert told(grown) == told(assembly.join()) == f"command({merged})"

    assembly.branch(grown, running("more"))
    root = f"new(command({merged}))"
    assert told(assembly.join()) == f"merge(command({merged}), diff({root}, more({root})))"


def test_assembly_of_nothing_is_the_base() -> None:
    """A spec may change the config alone."""
    assert told(Assembly(BASE, can_merge=True).join()) == "base"
    assert told(Assembly(BASE, can_merge=False).join()) == "base"
