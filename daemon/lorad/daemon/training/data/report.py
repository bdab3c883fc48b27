"""The data report: what a run will train on, and what is wrong with it. Values in, values out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from lorad.daemon.training.data.alike import alike, same
from lorad.daemon.training.data.buckets import Bucket
from lorad.daemon.training.data.captions import has_trigger, variants
from lorad.daemon.training.data.item import Findings, Item, name_some, valid_text
from lorad.daemon.training.data.look import Look
from lorad.daemon.training.data.order import Order, Shown
from lorad.daemon.training.data.pictures import broken_pictures
from lorad.daemon.training.data.seen import Seen, Sight
from lorad.daemon.training.data.split import held_out
from lorad.daemon.training.speed import Speed
from lorad.shared.errors import BrokenPicture
from lorad.shared.recipe import Recipe

BucketOf = Callable[[tuple[int, int], Recipe], tuple[int, int]]
"""Width and height that a picture of this width and height is trained at."""
SHAPE = 0.02
"""Of its aspect ratio, by which a mask may differ from its picture."""


class TokenCounter(Protocol):
    """Counts what a text encoder reads."""

    limit: int
    """Tokens that it reads; the rest of a caption is cut."""

    def counts(self, captions: list[str]) -> list[int]:
        """Tokens of each caption, the two at its ends counted."""
        ...


@dataclass(frozen=True)
class Ports:
    """What the report asks of others; none: it is not known."""

    counter: TokenCounter | None = None
    bucket_of: BucketOf | None = None
    memory_bytes: int | None = None
    """That a card should have free."""
    speed: Speed | None = None
    """As a run of the same kind measured it on this machine, never guessed."""


class BrokenFile(Struct, frozen=True):
    """A picture or mask that cannot be decoded."""

    name: str
    why: str


class Block(Struct, frozen=True, kw_only=True):
    """One `[data]` table."""

    source: str
    pictures: int
    repeats: int
    is_reg: bool
    pictures_per_epoch: int
    """Shown in an epoch; of a regularisation set as many as of the others together."""
    trigger_word: str
    captions_with_trigger: int
    masks: int
    masks_missing: int
    """Pictures that are trained everywhere, though the table has masks."""


class DataReport(Struct, kw_only=True):
    """What was found. With problems, a run would not start."""

    pictures: int = 0
    held_out: int = 0
    """Of them, for validation: what follows of epochs and steps is of the others."""
    captions: int = 0
    """How many different ones."""
    smaller: list[str] = []
    """Pictures that are enlarged."""
    epochs: float = 0.0
    """How often an epoch's pictures are seen."""
    problems: list[str] = []
    notes: list[str] = []
    """Worth knowing; they stop nothing."""
    broken: list[BrokenFile] = []
    duplicates: list[list[str]] = []
    """Groups of the same file."""
    near_duplicates: list[list[str]] = []
    """Groups that look alike."""
    token_limit: int | None = None
    long_captions: list[str] = []
    """Pictures with a caption whose end no encoder reads."""
    marks: dict[str, int] = {}
    """How many pictures are rotated, transparent, cmyk, 16 bits, animated or grey."""
    buckets: list[Bucket] = []
    blocks: list[Block] = []
    pictures_per_epoch: int = 0
    steps_per_epoch: int = 0
    steps: int = 0
    memory_gib: float | None = None
    """Estimated; a card should have it free."""
    seconds: float | None = None
    """All steps; none: unknown until the first ones."""
    basis: str = ""
    """What that is reckoned from."""


def make_report(
    recipe: Recipe, items: Sequence[Item], sight: Sight, findings: Findings, ports: Ports
) -> DataReport:
    """The report of these pictures, `sight` having one look for each."""
    facts = _Facts(recipe, items, sight, ports)
    report = DataReport(
        pictures=len(items),
        held_out=sum(facts.out),
        captions=len({text for item in items for text in item.captions}),
        smaller=facts.smaller(),
        problems=[str(problem) for problem in findings.problems],
        notes=list(findings.notes),
        broken=facts.broken(),
        duplicates=facts.named(same(look.sha256 for look in facts.looks)),
        near_duplicates=facts.named(alike(facts.looks)),
        marks=dict(Counter(mark for look in facts.looks for mark in look.marks)),
        buckets=facts.buckets(),
        blocks=facts.blocks(),
    )
    report.problems += [str(problem) for problem in broken_by_fault(report.broken)]
    report.notes += facts.caption_notes() + facts.mask_notes()
    _add_tokens(report, facts)
    _add_lengths(report, recipe, facts)
    return report


class _Facts:
    """The pictures that can be decoded, by place, and the rest by name."""

    def __init__(self, recipe: Recipe, items: Sequence[Item], sight: Sight, ports: Ports) -> None:
        self.recipe = recipe
        self.items = items
        self.sight = sight
        self.ports = ports
        good = [
            (place, seen.look) for place, seen in enumerate(sight.pictures) if seen.look is not None
        ]
        self.places = [place for place, _ in good]
        self.looks = [look for _, look in good]
        self.out = held_out([(items[place].block, look.sha256) for place, look in good], recipe)

    def named(self, groups: list[list[int]]) -> list[list[str]]:
        """Groups of places in `looks` by the pictures' names."""
        return [[self._name(self.places[number]) for number in group] for group in groups]

    def _name(self, place: int) -> str:
        return valid_text(self.items[place].name)

    def broken(self) -> list[BrokenFile]:
        pictures = [
            BrokenFile(self._name(place), seen.why)
            for place, seen in enumerate(self.sight.pictures)
            if seen.look is None
        ]
        masks = [
            BrokenFile(f"the mask of {self._name(place)}", seen.why)
            for place, seen in self.sight.masks.items()
            if seen.look is None
        ]
        return pictures + masks

    def shape(self, look: Look) -> tuple[int, int]:
        """Width and height that it is trained at."""
        if self.ports.bucket_of is not None:
            return self.ports.bucket_of((look.width, look.height), self.recipe)
        side = self.recipe.train.resolution
        return side, side

    def smaller(self) -> list[str]:
        """Pictures that do not cover what they are trained at."""
        found = []
        for place, look in zip(self.places, self.looks, strict=True):
            width, height = self.shape(look)
            if look.width < width or look.height < height:
                found.append(self._name(place))
        return found

    def buckets(self) -> list[Bucket]:
        shapes = Counter(self.shape(look) for look in self.looks)
        return [Bucket(*shape, count) for shape, count in sorted(shapes.items())]

    def blocks(self) -> list[Block]:
        counts = Counter(item.block for item in self.items)
        held = Counter(
            self.items[place].block for place, out in zip(self.places, self.out, strict=True) if out
        )
        shown = _shown(self.recipe, counts - held)
        return [
            Block(
                source=valid_text(data.source),
                pictures=counts[number],
                repeats=data.repeats,
                is_reg=data.is_reg,
                pictures_per_epoch=shown[number],
                trigger_word=data.trigger_word,
                captions_with_trigger=self._with_trigger(number, data.trigger_word),
                masks=self._masks(number),
                masks_missing=counts[number] - self._masks(number)
                if data.mask_path is not None or data.alpha_mask
                else 0,
            )
            for number, data in enumerate(self.recipe.data)
        ]

    def _with_trigger(self, block: int, trigger_word: str) -> int:
        if not trigger_word:
            return 0
        return sum(
            has_trigger(text, trigger_word)
            for item in self.items
            if item.block == block
            for text in item.captions
        )

    def _masks(self, block: int) -> int:
        """Of pictures whose transparency is the mask, those that have any."""
        if self.recipe.data[block].alpha_mask:
            return sum(
                "transparent" in look.marks
                for place, look in zip(self.places, self.looks, strict=True)
                if self.items[place].block == block
            )
        return sum(i.block == block and i.read_mask is not None for i in self.items)

    def mask_notes(self) -> list[str]:
        notes = [
            f"Without a mask, so trained everywhere: {block.masks_missing} of {block.pictures}"
            f" pictures in {block.source}."
            for block in self.blocks()
            if block.masks_missing
        ]
        others = [
            self._name(place)
            for place, seen in self.sight.masks.items()
            if _other_shape(self.sight.pictures[place], seen)
        ]
        if others:
            names = name_some(others)
            notes.append(f"Masks of another shape than their pictures, so stretched: {names}.")
        return notes

    def caption_notes(self) -> list[str]:
        notes = []
        texts = [
            (item.name, text, self.recipe.data[item.block])
            for item in self.items
            for text in item.captions
        ]
        left = [name for name, text, data in texts if "[trigger]" in text and not data.trigger_word]
        if left:
            notes.append(
                "Captions that hold `[trigger]`, which is trained as it stands, since"
                f" `data.trigger_word` is not set: {name_some(left)}."
            )
        phrase = self.recipe.output.trigger_phrase
        if phrase and texts and not any(has_trigger(text, phrase) for _, text, _ in texts):
            notes.append("`output.trigger_phrase` is in no caption, so nothing is learned for it.")
        return notes

    def steps_per_epoch(self) -> int:
        """Of the first epoch, in the order that a run takes."""
        train = self.recipe.train
        numbers = {shape: n for n, shape in enumerate({self.shape(look) for look in self.looks})}
        blocks = [self.recipe.data[self.items[place].block] for place in self.places]
        if all(data.is_reg for data in blocks):
            return 0  # there is nothing to train, which is told as a problem
        shown = [
            Shown(numbers[self.shape(look)], data.repeats, data.is_reg)
            for data, look, out in zip(blocks, self.looks, self.out, strict=True)
            if not out
        ]
        batches = Order(shown, train.train_batch_size, train.seed).batches(1)
        return -(-batches // train.gradient_accumulation_steps)


def _shown(recipe: Recipe, counts: Counter[int]) -> list[int]:
    """Pictures of each block that an epoch shows."""
    plain = [
        0 if data.is_reg else counts[number] * data.repeats
        for number, data in enumerate(recipe.data)
    ]
    regular = [counts[n] * data.repeats if data.is_reg else 0 for n, data in enumerate(recipe.data)]
    share = sum(plain) / sum(regular) if sum(regular) else 0
    return [a or round(b * share) for a, b in zip(plain, regular, strict=True)]


def _other_shape(picture: Seen, mask: Seen) -> bool:
    if picture.look is None or mask.look is None:
        return False
    one = picture.look.width / picture.look.height
    return abs(mask.look.width / mask.look.height / one - 1) > SHAPE


def broken_by_fault(broken: list[BrokenFile]) -> list[BrokenPicture]:
    """One error for each kind of fault."""
    by_why: dict[str, list[str]] = defaultdict(list)
    for file in broken:
        by_why[file.why].append(file.name)
    return [broken_pictures(names, why) for why, names in by_why.items()]


def _add_tokens(report: DataReport, facts: _Facts) -> None:
    counter = facts.ports.counter
    if counter is None:
        return
    texts = [(item.name, text) for item in facts.items for text in _read_as(item, facts.recipe)]
    counts = counter.counts([text for _, text in texts])
    report.token_limit = counter.limit
    over = [name for (name, _), n in zip(texts, counts, strict=True) if n > counter.limit]
    report.long_captions = [valid_text(name) for name in dict.fromkeys(over)]


def _read_as(item: Item, recipe: Recipe) -> Sequence[str]:
    """The captions; where they hold wildcards, what these come to."""
    data = recipe.data[item.block]
    if data.enable_wildcard:
        return variants(item.captions, data, recipe.train.seed)
    return item.captions


def _add_lengths(report: DataReport, recipe: Recipe, facts: _Facts) -> None:
    train, ports = recipe.train, facts.ports
    report.pictures_per_epoch = sum(block.pictures_per_epoch for block in report.blocks)
    report.steps_per_epoch = facts.steps_per_epoch()
    epochs = train.num_train_epochs or 0
    report.steps = train.known_steps or epochs * report.steps_per_epoch
    if report.pictures_per_epoch:
        images = report.steps * train.train_batch_size * train.gradient_accumulation_steps
        report.epochs = round(images / report.pictures_per_epoch, 1)
        if ports.speed is not None:
            rate = ports.speed.images_per_second
            report.seconds = round(images / rate, 1)
            report.basis = (
                f"{rate:.3g} images a second, as measured with {ports.speed.name} on"
                f" {ports.speed.machine}"
            )
    if ports.memory_bytes is not None:
        report.memory_gib = round(ports.memory_bytes / (1 << 30), 1)
