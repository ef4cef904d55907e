"""Random graphs for property tests."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from buildkit_spec import llb
from buildkit_spec.llb import State

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
names = st.text("abc", min_size=1, max_size=3)
paths = names.map(lambda name: f"/{name}")
metas = st.builds(
    llb.Meta,
    name=texts,
    description=st.dictionaries(names, texts, max_size=2),
    ignore_cache=st.booleans(),
    progress_group=st.none() | st.builds(llb.ProgressGroup, names, texts, st.booleans()),
    caps=st.frozensets(names, max_size=2),
)

sources = st.one_of(
    st.just(llb.scratch()),
    st.builds(llb.image, names, meta=metas),
    st.builds(llb.local, names, include=st.lists(texts, max_size=2), meta=metas),
    st.builds(llb.http, names.map(lambda name: f"https://example.com/{name}")),
)


@st.composite
def graphs(draw: Callable[..., object], steps: int = 12) -> State:
    """Return the last of some states, each built on earlier ones."""
    states: list[State] = [draw(sources)]

    def earlier() -> State:
        return draw(st.sampled_from(states))

    for _ in range(draw(st.integers(0, steps))):
        kind = draw(st.sampled_from(["source", "run", "file", "merge", "diff", "settings"]))
        meta = draw(metas)
        if kind == "source":
            state = draw(sources)
        elif kind == "run":
            mounts = [
                llb.Bind("/a", earlier(), readonly=draw(st.booleans())),
                llb.Bind("/b", earlier()),
                llb.CacheMount("/c", "c", source=earlier()),
            ]
            run = earlier().run(["x", draw(texts)], mounts=mounts, meta=meta)
            state = draw(st.sampled_from([run.root, run.mount("/a"), run.mount("/b")]))
        elif kind == "file":
            state = earlier().file(
                llb.copy(earlier(), draw(paths), draw(paths), chown=llb.Chown("u")),
                llb.mkfile(draw(paths), draw(st.binary(max_size=8))),
                meta=meta,
            )
        elif kind == "merge":
            state = llb.merge([earlier(), earlier(), earlier()], meta=meta)
        elif kind == "diff":
            state = llb.diff(earlier(), earlier(), meta=meta)
        else:
            state = earlier().with_env(draw(names), draw(texts)).with_cwd(draw(paths))
        states.append(state)
    return states[-1]
