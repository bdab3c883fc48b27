r"""What a caption may be read as: trigger word, shuffled and dropped tags, wildcards.

The words are kohya's and so are the rules, with three differences. What lorad itself puts around a
caption (trigger word, prefix, suffix) stays where it is. The tag that holds the trigger word is
never dropped, and never are all tags. A brace that is no wildcard is written `\{`.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from lorad.daemon.training.data.reading import tidy
from lorad.shared.recipe import Data

_INNERMOST = re.compile(r"\{([^{}]*)\}")
_ESCAPED = re.compile(r"\\([{}|])")
_NAMES = {"{": "a", "}": "b", "|": "c"}
_DEEPEST = 100
"""Wildcards within wildcards; braces that lie deeper are text."""


def complete(caption: str, data: Data) -> str:
    """The caption with trigger word, prefix and suffix.

    `[trigger]` becomes the trigger word; a caption that has it nowhere as a word of its own, in
    upper or lower case, gets it as its first tag.
    """
    text = tidy(caption)
    if data.trigger_word:
        text = text.replace("[trigger]", data.trigger_word)
    text = " ".join(filter(None, [data.caption_prefix.strip(), text, data.caption_suffix.strip()]))
    if data.trigger_word and not has_trigger(text, data.trigger_word):
        text = f"{data.trigger_word}{data.caption_separator} {text}" if text else data.trigger_word
    return text


def has_trigger(text: str, trigger_word: str) -> bool:
    """Whether the trigger word stands in the text as a word, in upper or lower case."""
    pattern = rf"(?<!\w){re.escape(trigger_word)}(?!\w)"
    return re.search(pattern, text, re.IGNORECASE) is not None


def variants(captions: tuple[str, ...], data: Data, seed: int) -> list[str]:
    """Every text that these captions are read as, in a fixed order.

    Where nothing varies, the captions themselves. Else `caption_variants` drawn from them in turn,
    each of them once at least. A text that is drawn twice is there twice: it is to be read twice as
    often, or tags would be dropped more often than the recipe says.
    """
    if not data.varies:
        return list(dict.fromkeys(captions))
    count = max(data.caption_variants, len(captions))
    return [
        _draw(captions[number % len(captions)], data, seed, number // len(captions))
        for number in range(count)
    ]


def _draw(caption: str, data: Data, seed: int, number: int) -> str:
    draw = _Draw(seed, _digest(caption), number)
    if data.enable_wildcard:
        caption = expand(caption, draw)
    if data.shuffle_caption or data.caption_tag_dropout > 0:
        caption = _shuffled(caption, data, draw)
    return caption


def _digest(caption: str) -> int:
    encoded = caption.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest())


class _Draw(NamedTuple):
    """The draws of one version of one caption."""

    seed: int
    digest: int
    number: int

    def key(self, stream: str, place: int) -> int:
        # Here and not above: `keyed` needs torch, and whoever only finds captions does not.
        from lorad.daemon.training import keyed

        return keyed.key(self.seed, stream, self.digest, self.number, place)

    def chance(self, share: float, stream: str, place: int) -> bool:
        from lorad.daemon.training import keyed

        return keyed.chance(share, self.seed, stream, self.digest, self.number, place)


# -- wildcards ------------------------------------------------------------------------------------


def expand(caption: str, draw: _Draw) -> str:
    r"""One of `{a|b}` each, from the innermost outwards; `\{`, `\}` and `\|` are text."""
    text = _ESCAPED.sub(lambda found: "\0" + _NAMES[found[1]], caption.replace("\0", ""))
    place = 0

    def choose(found: re.Match[str]) -> str:
        nonlocal place
        place += 1
        choices = found[1].split("|")
        return choices[draw.key("wildcard", place) % len(choices)]

    for _ in range(_DEEPEST):
        text, count = _INNERMOST.subn(choose, text)
        if not count:
            break
    for character, name in _NAMES.items():
        text = text.replace("\0" + name, character)
    return text.strip()


# -- tags -----------------------------------------------------------------------------------------


def _tags(text: str, data: Data) -> list[str]:
    return [tag.strip() for tag in text.split(data.caption_separator) if tag.strip()]


def _shuffled(caption: str, data: Data, draw: _Draw) -> str:
    tags = _tags(caption, data)
    first, last = _fixed(caption, tags, data)
    places = list(range(first, last))
    if data.caption_tag_dropout > 0:
        places = _kept(tags, places, data, draw)
    if data.shuffle_caption:
        places.sort(key=lambda place: draw.key("tag order", place))
    chosen = [*range(first), *places, *range(last, len(tags))]
    separator = data.caption_separator if data.caption_separator.isspace() else None
    return (separator or f"{data.caption_separator.rstrip()} ").join(tags[n] for n in chosen)


def _fixed(caption: str, tags: list[str], data: Data) -> tuple[int, int]:
    """The tags before the first and from the second on stay where they are.

    A prefix without a separator at its end is part of the first tag behind it, which then stays.
    """
    ahead, rest = 0, caption
    trigger = _tags(data.trigger_word, data)
    if trigger and [t.lower() for t in tags[: len(trigger)]] == [t.lower() for t in trigger]:
        ahead = len(trigger)
        rest = caption[len(data.trigger_word) :].lstrip(data.caption_separator + " ")
    if data.caption_prefix.strip() and rest.startswith(data.caption_prefix.strip()):
        ahead += len(_tags(data.caption_prefix, data))
    suffix = data.caption_suffix.strip()
    behind = len(_tags(suffix, data)) if suffix and caption.endswith(suffix) else 0
    first = min(max(data.keep_tokens, ahead), len(tags))
    return first, max(first, len(tags) - behind)


def _kept(tags: list[str], places: list[int], data: Data, draw: _Draw) -> list[int]:
    kept = [
        place
        for place in places
        if (data.trigger_word and has_trigger(tags[place], data.trigger_word))
        or not draw.chance(data.caption_tag_dropout, "tag dropout", place)
    ]
    if not kept and len(places) == len(tags) > 0:
        # To train without any caption is caption_dropout's to say.
        return [min(places, key=lambda place: draw.key("last tag", place))]
    return kept
