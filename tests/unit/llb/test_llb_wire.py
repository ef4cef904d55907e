"""The bytes we write ourselves are those protobuf reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llb_strategies import metas

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import Meta, _wire


@given(st.integers(0, 2**63 - 1))
def test_varint_is_read_back_by_protobuf(value: int) -> None:
    """A number comes back, and takes as many bytes as protobuf's own."""
    data = _wire.integer(2, value)

    assert pb.Input.FromString(data).index == value
    assert pb.Input(index=value).SerializeToString() == data


@given(st.binary(max_size=300))
def test_delimited_is_a_field_of_bytes(data: bytes) -> None:
    """Any bytes, of any length, are one field."""
    assert pb.Definition.FromString(_wire.delimited(1, data)).def_ == [data]


@given(metas)
def test_meta_is_read_back(meta: Meta) -> None:
    """Metadata comes back whole, and is as long as protobuf would write it."""
    data = meta.to_bytes()

    assert Meta.from_bytes(data) == meta
    assert pb.OpMetadata.FromString(data).ByteSize() == len(data)


def test_meta_is_in_byte_order_of_its_keys() -> None:
    """A capability stands before those it begins, as Go writes them."""
    data = Meta(caps=frozenset({"source.local.unique", "source.local"})).to_bytes()

    assert data.index(b"source.local\x10") < data.index(b"source.local.unique\x10")
