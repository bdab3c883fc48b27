"""What a caption is read as: the trigger word, tags in another order, wildcards."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lorad.daemon.training.data.captions import complete, variants
from lorad.shared.recipe import Data

TAG = st.text("abcdefgh ohwxéß[](:1.2)", min_size=1, max_size=8).map(str.strip).filter(bool)
TAGS = st.lists(TAG, min_size=1, max_size=8)
SEED = st.integers(0, 2**40)
unhurried = settings(deadline=None)  # the first draw imports torch


def tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",") if tag.strip()]


@pytest.mark.parametrize(
    ("caption", "settings", "text"),
    [
        ("a cat", {}, "a cat"),
        ("a cat", {"trigger_word": "ohwx"}, "ohwx, a cat"),
        ("", {"trigger_word": "ohwx"}, "ohwx"),
        ("an OHWX cat", {"trigger_word": "ohwx"}, "an OHWX cat"),
        ("ohwxy cat", {"trigger_word": "ohwx"}, "ohwx, ohwxy cat"),
        ("photo of [trigger]!", {"trigger_word": "ohwx"}, "photo of ohwx!"),
        ("photo of [trigger]", {}, "photo of [trigger]"),
        ("c++ cat", {"trigger_word": "c++"}, "c++ cat"),
        ("cat", {"caption_prefix": "photo of a", "caption_suffix": "on white"},
         "photo of a cat on white"),
        ("cat", {"caption_prefix": "ohwx style,", "trigger_word": "ohwx"}, "ohwx style, cat"),
        ("a", {"trigger_word": "t", "caption_separator": ";"}, "t; a"),
        (" a\0b\n", {}, "ab"),
    ],
)  # fmt: skip
def test_what_is_put_around_a_caption(caption: str, settings: dict[str, str], text: str) -> None:
    assert complete(caption, Data(**settings)) == text


def test_a_caption_is_cut_at_64_ki_characters() -> None:
    assert len(complete("x" * 100_000, Data())) == 65_536


def test_captions_that_do_not_vary_are_themselves() -> None:
    assert variants(("a, b", "{c|d}", "a, b"), Data(keep_tokens=0), 1) == ["a, b", "{c|d}"]


@unhurried
@given(TAGS, SEED, st.integers(0, 9))
def test_a_shuffled_caption_has_every_tag_and_the_kept_ones_first(
    words: list[str], seed: int, keep: int
) -> None:
    data = Data(shuffle_caption=True, keep_tokens=keep)
    for text in variants((", ".join(words),), data, seed):
        assert sorted(tags(text)) == sorted(words)
        assert tags(text)[:keep] == words[:keep]


def test_shuffling_reaches_every_order() -> None:
    data = Data(shuffle_caption=True, caption_variants=200)
    found = variants(("a, b, c",), data, 3)
    assert len(found) == 200
    assert len(set(found)) == 6


@unhurried
@given(TAGS, SEED, st.integers(0, 9), st.floats(0, 1))
def test_dropping_tags_adds_none_and_never_takes_all_or_the_kept_ones(
    words: list[str], seed: int, keep: int, share: float
) -> None:
    data = Data(caption_tag_dropout=share, keep_tokens=keep)
    for text in variants((", ".join(words),), data, seed):
        left = tags(text)
        assert left
        assert left[:keep] == words[:keep]
        rest = iter(words)
        assert all(tag in rest for tag in left)  # what is left is in the old order


def test_tags_are_dropped_as_often_as_the_recipe_says() -> None:
    data = Data(caption_tag_dropout=0.1, caption_variants=1000, keep_tokens=1)
    found = variants(("k, a, b, c",), data, 5)
    for tag in "abc":
        share = sum(tag not in tags(text) for text in found) / len(found)
        assert 0.07 < share < 0.13


@unhurried
@given(TAGS, SEED)
def test_what_lorad_puts_around_a_caption_stays_there(words: list[str], seed: int) -> None:
    data = Data(
        trigger_word="zzz", caption_prefix="pre, fix,", caption_suffix="suf, fix",
        shuffle_caption=True, caption_tag_dropout=0.5,
    )  # fmt: skip
    text = complete(", ".join(words), data)
    for read in variants((text,), data, seed):
        assert tags(read)[:3] == ["zzz", "pre", "fix"]
        assert read.endswith("suf, fix") or read.endswith(["suf", "fix"][1])
        assert tags(read)[-1] == "fix"


def test_the_trigger_word_is_never_dropped() -> None:
    data = Data(trigger_word="ohwx", caption_tag_dropout=1.0, caption_variants=20)
    assert set(variants(("a, photo of ohwx, b",), data, 1)) == {"photo of ohwx"}


@unhurried
@given(st.recursive(
    st.text("abc ", max_size=3),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda c: "{" + "|".join(c) + "}"),
    max_leaves=12,
), SEED)  # fmt: skip
def test_no_wildcard_is_left_and_nothing_is_made_up(caption: str, seed: int) -> None:
    data = Data(enable_wildcard=True)
    for text in variants((caption,), data, seed):
        assert not set(text) & set("{|}")
        assert len(text) <= len(caption)
        assert text in caption or not text


def test_every_choice_of_a_wildcard_comes_up() -> None:
    data = Data(enable_wildcard=True, caption_variants=100)
    found = set(variants(("a {red|{light|dark} blue} {cat|}",), data, 2))
    assert found == {f"a {colour}{cat}" for colour in ("red", "light blue", "dark blue")
                     for cat in (" cat", "")}  # fmt: skip


def test_braces_that_are_no_wildcards() -> None:
    data = Data(enable_wildcard=True)
    assert set(variants((r"\{a\|b\} {x\|y} }{",), data, 1)) == {"{a|b} x|y }{"}
    deep = "{" * 30_000 + "}" * 30_000
    assert len(variants((deep,), data, 1)[0]) == 2 * (30_000 - 100)


@unhurried
@given(st.lists(st.text(max_size=30), min_size=1, max_size=15), SEED, st.booleans(), st.booleans())
def test_whatever_is_given_is_read_alike_each_time_and_no_caption_is_left_out(
    captions: list[str], seed: int, shuffle: bool, wildcard: bool
) -> None:
    data = Data(shuffle_caption=shuffle, enable_wildcard=wildcard, caption_variants=4)
    found = variants(tuple(captions), data, seed)
    assert found == variants(tuple(captions), data, seed)
    if shuffle or wildcard:
        assert len(found) == max(4, len(captions))


def test_several_captions_take_turns_and_seeds_differ() -> None:
    data = Data(shuffle_caption=True, caption_variants=6)
    captions = ("a, b, c, d, e", "1, 2, 3, 4, 5")
    found = variants(captions, data, 1)
    assert [sorted(tags(text)) == list("abcde") for text in found] == [True, False] * 3
    assert found != variants(captions, data, 2)
