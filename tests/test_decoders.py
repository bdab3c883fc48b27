"""Whatever comes, a decoder takes it or says what is wrong with it."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path

import pytest
from decoders import DECODERS, Decoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import SOAK

from lorad.shared.errors import LoradError

EXAMPLES, MANY = 20, 1000 * SOAK
WORDS = re.compile(rb"[\w.+-]+")
NASTY = [
    *(b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"[" * 2000, b"{" * 2000, b"9" * 5000, b"nan", b"\n"),
    *(b"1e999", b"../", b"\x1b]52;", b"\xc1", b"\xdf\xff\xff\xff\xff"),
]


def changed(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """A good one with words or parts of it taken out, or put over by something nasty."""
    odd = st.sampled_from(NASTY) | st.binary(max_size=8)
    place = st.floats(0, 1, exclude_max=True)

    def splice(seed: bytes, changes: list[tuple[bool, float, float, bytes]]) -> bytes:
        for word, begin, share, put in changes:
            words = [found.span() for found in WORDS.finditer(seed)]
            at, end = int(begin * len(seed)), len(seed)
            end = at + int(share * share * (end - at))
            if word and words:
                at, end = words[int(begin * len(words))]
            seed = seed[:at] + put + seed[end:]
        return seed

    changes = st.lists(st.tuples(st.booleans(), place, place, odd), min_size=1, max_size=4)
    return st.builds(splice, st.sampled_from(seeds), changes) | st.binary(max_size=200)


def fed(decoder: Decoder, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(LoradError):
        decoder.feed(data, Path(folder))


@pytest.mark.parametrize("name", DECODERS)
def test_what_it_takes_gladly(name: str) -> None:
    for seed in DECODERS[name].seeds:
        fed(DECODERS[name], seed)


@pytest.mark.parametrize("name", DECODERS)
def test_each_word_is_put_over_by_each_nasty_one(name: str) -> None:
    for seed in DECODERS[name].seeds:
        for found in WORDS.finditer(seed):
            for nasty in NASTY:
                fed(DECODERS[name], seed[: found.start()] + nasty + seed[found.end() :])


def any_bytes(name: str, count: int) -> None:
    decoder = DECODERS[name]

    @settings(
        max_examples=count, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(changed(decoder.seeds))
    def tried(data: bytes) -> None:
        fed(decoder, data)

    tried()


@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes(name: str) -> None:
    any_bytes(name, EXAMPLES)


@pytest.mark.proof
@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes_many(name: str) -> None:
    any_bytes(name, MANY)
