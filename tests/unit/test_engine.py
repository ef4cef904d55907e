"""The engine picks builders, and builds many specs at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from buildkit_spec import BuildkitBuilder, BuildResult, ImageBuildEngine, ImageSpec, Reference
from buildkit_spec.errors import SolveCanceledError, SolveError, SpecValidationError
from buildkit_spec.values import StatusCallback, StatusUpdate


@pytest.fixture(autouse=True)
def _no_builders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageBuildEngine, "_builders", {})


class Recorder:
    """A builder that does what a test says, and remembers what it was asked."""

    def __init__(self, work: Callable[[ImageSpec], None] = lambda spec: None) -> None:
        self._work = work
        self.asked: list[tuple[ImageSpec, bool | None, bool]] = []
        self.threads: set[threading.Thread] = set()

    def build(
        self,
        spec: ImageSpec,
        *,
        push: bool | None = None,
        force: bool = False,
        on_status: StatusCallback | None = None,
    ) -> BuildResult:
        self.asked.append((spec, push, force))
        self.threads.add(threading.current_thread())
        if on_status is not None:
            on_status(StatusUpdate())
        self._work(spec)
        return BuildResult(Reference.parse(f"example.test/{spec.name}"), None)


def specs(*names: str) -> list[ImageSpec]:
    return [ImageSpec(name=name, base_image="scratch") for name in names]


def test_engine_uses_our_builder_when_none_is_registered() -> None:
    """Without any registration a spec is built on BuildKit."""
    (spec,) = specs("a")

    assert isinstance(ImageBuildEngine.builder_for(spec), BuildkitBuilder)
    assert ImageBuildEngine.builder_for(spec) is ImageBuildEngine.builder_for(spec)


def test_engine_prefers_a_higher_priority_and_then_the_first() -> None:
    """Of several builders the highest priority counts; of equal ones the first registered."""
    low, high, late = Recorder(), Recorder(), Recorder()
    ImageBuildEngine.register("low", low, priority=2)
    ImageBuildEngine.register("high", high, priority=7)
    ImageBuildEngine.register("late", late, priority=7)
    (spec,) = specs("a")

    assert ImageBuildEngine.builder_for(spec) is high
    assert ImageBuildEngine.builder_for(spec.replace(builder="low")) is low


def test_engine_replaces_a_builder_of_the_same_name() -> None:
    """Registering a name again takes the place of what had it."""
    old, new = Recorder(), Recorder()
    ImageBuildEngine.register("mine", old)
    ImageBuildEngine.register("mine", new)
    (spec,) = specs("a")

    assert ImageBuildEngine.builder_for(spec.replace(builder="mine")) is new


def test_engine_names_the_builders_there_are() -> None:
    """A builder that nobody registered is a problem of the spec's field, with those there are."""
    ImageBuildEngine.register("mine", Recorder())
    (spec,) = specs("a")

    with pytest.raises(SpecValidationError) as caught:
        ImageBuildEngine.build(spec.replace(builder="yours"))

    (problem,) = caught.value.problems
    assert problem.field == "builder"
    assert problem.remedy == "one of: buildkit, mine"


def test_names_of_flytekits_builders_stand_for_ours() -> None:
    """A spec that was written for flytekit is built as it is, unless there is one of that name."""
    mine, theirs = Recorder(), Recorder()
    ImageBuildEngine.register("mine", mine)
    (spec,) = specs("a")
    assert ImageBuildEngine.builder_for(spec.replace(builder="envd")) is mine
    assert ImageBuildEngine.builder_for(spec.replace(builder="default")) is mine
    ImageBuildEngine.register("envd", theirs, priority=0)
    assert ImageBuildEngine.builder_for(spec.replace(builder="envd")) is theirs


def test_engine_hands_on_what_it_was_asked() -> None:
    """push, force and the callback reach the builder."""
    builder = Recorder()
    ImageBuildEngine.register("mine", builder)
    (spec,) = specs("a")
    told: list[StatusUpdate] = []

    ImageBuildEngine.build(spec, push=False, force=True, on_status=told.append)

    assert builder.asked == [(spec, False, True)]
    assert len(told) == 1


def test_many_specs_give_outcomes_in_their_order() -> None:
    """Each spec has its result or its error, in the order of the specs; none stops another."""

    def work(spec: ImageSpec) -> None:
        if spec.name == "b":
            raise SolveError("no")

    ImageBuildEngine.register("mine", Recorder(work))

    first, second, third = ImageBuildEngine.build_many(specs("a", "b", "c"))

    assert isinstance(first, BuildResult)
    assert first.reference.repository == "a"
    assert isinstance(second, SolveError)
    assert isinstance(third, BuildResult)
    assert third.reference.repository == "c"


def test_many_specs_with_an_unknown_builder_fail_alone() -> None:
    """A spec nobody can build is an outcome like others."""
    ImageBuildEngine.register("mine", Recorder())
    good, bad = specs("a", "b")

    outcomes = ImageBuildEngine.build_many([bad.replace(builder="yours"), good])

    assert [type(one) for one in outcomes] == [SpecValidationError, BuildResult]


def test_many_equal_specs_are_built_once() -> None:
    """Equal specs share one build and its result."""
    builder = Recorder()
    ImageBuildEngine.register("mine", builder)
    a, b = specs("a", "b")

    outcomes = ImageBuildEngine.build_many([a, b, a.replace()])

    assert len(builder.asked) == 2
    assert outcomes[0] is outcomes[2]


def test_many_specs_tell_each_its_own_callback() -> None:
    """The callbacks belong to the specs by their place."""
    ImageBuildEngine.register("mine", Recorder())
    told: list[str] = []

    ImageBuildEngine.build_many(
        specs("a", "b"), on_status=[lambda _: told.append("a"), lambda _: told.append("b")]
    )

    assert sorted(told) == ["a", "b"]


def test_many_specs_are_built_at_once() -> None:
    """Two builds that wait for each other both end."""
    both = threading.Barrier(2)
    ImageBuildEngine.register("mine", Recorder(lambda _: both.wait(60) and None))

    outcomes = ImageBuildEngine.build_many(specs("a", "b"))

    assert [type(one) for one in outcomes] == [BuildResult, BuildResult]


def test_one_spec_is_built_on_the_calling_thread() -> None:
    """A single build gets Ctrl-C itself: it runs where the caller is."""
    builder = Recorder()
    ImageBuildEngine.register("mine", builder)

    ImageBuildEngine.build_many(specs("a"))

    assert builder.threads == {threading.current_thread()}


class Cancellable(Recorder):
    """A builder whose builds wait until they are cancelled."""

    def __init__(self, count: int) -> None:
        self._began = threading.Barrier(count + 1)
        self._is_cancelled = threading.Event()
        super().__init__(self._wait)

    def _wait(self, spec: ImageSpec) -> None:
        self._began.wait(60)
        assert self._is_cancelled.wait(60)

    def await_begin(self) -> None:
        self._began.wait(60)

    def cancel(self) -> None:
        self._is_cancelled.set()


@pytest.fixture(name="interrupt_when")
def _interrupt_when() -> Iterator[Callable[[Callable[[], None]], None]]:
    threads = []

    def begin(wait: Callable[[], None]) -> None:
        def press() -> None:
            wait()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        threads.append(threading.Thread(target=press))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()


def test_ctrl_c_cancels_the_builds_that_run_and_begins_no_other(
    interrupt_when: Callable[[Callable[[], None]], None],
) -> None:
    """Of more specs than are built at once, those that run are cancelled, and no other begins."""
    builder = Cancellable(4)
    ImageBuildEngine.register("mine", builder)
    interrupt_when(builder.await_begin)

    with pytest.raises(KeyboardInterrupt):
        ImageBuildEngine.build_many(specs("a", "b", "c", "d", "e", "f"))

    assert sorted(spec.name for spec, _, _ in builder.asked) == ["a", "b", "c", "d"]
    for thread in builder.threads:
        thread.join(60)
        assert not thread.is_alive()


class EndedByFailure(Cancellable):
    """A builder whose first build fails when three others run."""

    def _wait(self, spec: ImageSpec) -> None:
        if spec.name in "abcd":
            self._began.wait(60)
        if spec.name == "a":
            raise SolveError("no")
        assert self._is_cancelled.wait(60)
        raise SolveCanceledError("cancelled", code="CANCELLED")


def test_an_essential_spec_that_fails_ends_the_others() -> None:
    """What nobody waits for any more is cancelled, and what has not begun does not begin."""
    builder = EndedByFailure(3)
    ImageBuildEngine.register("mine", builder)
    wanted = specs("a", "b", "c", "d", "e", "f")

    outcomes = ImageBuildEngine.build_many(wanted, essential=wanted[0])

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [SolveError, *[SolveCanceledError] * 5]
