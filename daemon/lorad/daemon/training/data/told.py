"""The data report in words, for a terminal and for a run's log."""

from __future__ import annotations

from datetime import timedelta

from lorad.daemon.training.data.item import name_some
from lorad.daemon.training.data.report import Block, DataReport
from lorad.shared.clean import clean_line
from lorad.shared.words import counted

GROUPS = 3
"""Of duplicates, that are named."""
SHAPES = 12
"""Buckets that are listed."""
_MARKS = {
    "rotated": "turned upright",
    "transparent": "put on white",
    "cmyk": "turned from CMYK into RGB",
    "16 bits": "brought from 16 bits to 8",
    "animated": "taken by their first frame",
    "grey": "grey",
}


def report_lines(report: DataReport) -> list[str]:
    """The report for a log, a sentence a line, none of them with anything a terminal obeys."""
    return [f"{label}: {text}" for label, text in describe(report)]


def describe(report: DataReport) -> list[tuple[str, str]]:
    """Label and text of each line."""
    if not report.pictures:
        return _sentences("Problem", report.problems)
    return [
        ("Pictures", _pictures(report)),
        *_blocks(report.blocks),
        *_buckets(report),
        *_training(report),
        *[("Note", text) for text in _notes(report)],
        *_sentences("Note", report.notes),
        *_sentences("Problem", report.problems),
    ]


def _pictures(report: DataReport) -> str:
    captions = "1 caption" if report.captions == 1 else f"{report.captions} different captions"
    held = f"; {report.held_out} held out for validation" if report.held_out else ""
    return f"{report.pictures}, with {captions}{held}"


def _sentences(label: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(label, clean_line(text, 2000)) for text in texts]


def _blocks(blocks: list[Block]) -> list[tuple[str, str]]:
    lines = []
    for block in blocks:
        what = [f"{block.pictures} picture{'' if block.pictures == 1 else 's'}"]
        if block.is_reg:
            what.append(f"for regularisation, {block.pictures_per_epoch} an epoch")
        elif block.repeats > 1:
            what.append(f"each {block.repeats} times an epoch")
        if block.trigger_word:
            word = clean_line(block.trigger_word)
            what.append(f'"{word}" in {block.captions_with_trigger} captions')
        if block.masks:
            what.append(f"{block.masks} masks")
        if len(blocks) > 1 or len(what) > 1:
            lines.append(("Set", f"{clean_line(block.source)}: {', '.join(what)}"))
    return lines


def _buckets(report: DataReport) -> list[tuple[str, str]]:
    if not report.buckets:
        return []
    largest = sorted(report.buckets, key=lambda bucket: -bucket.pictures)
    shown = ", ".join(f"{b.width}x{b.height}: {b.pictures}" for b in largest[:SHAPES])
    more = f" and {len(largest) - SHAPES} more shapes" if len(largest) > SHAPES else ""
    return [("Buckets", shown + more)]


def _training(report: DataReport) -> list[tuple[str, str]]:
    time = "unknown until the first steps"
    if report.seconds is not None:
        took = timedelta(seconds=round(report.seconds))
        time = f"about {took}, at {clean_line(report.basis)}"
    pictures = counted(report.pictures_per_epoch, "picture")
    lines = [
        ("Training", f"every picture about {report.epochs:g} times"),
        ("Epoch", f"{pictures} in {counted(report.steps_per_epoch, 'step')}"),
        ("Steps", f"{report.steps}; time: {time}"),
    ]
    if report.memory_gib is not None:
        lines.append(
            ("Memory", f"a GPU should have about {report.memory_gib:g} GiB free, by estimate")
        )
    return lines


def _notes(report: DataReport) -> list[str]:
    notes = []
    if report.smaller:
        notes.append(
            f"{len(report.smaller)} smaller than trained, so enlarged: {name_some(report.smaller)}"
        )
    for groups, what in (
        (report.duplicates, "There more than once"),
        (report.near_duplicates, "Alike"),
    ):
        if groups:
            named = "; ".join(name_some(group, 3) for group in groups[:GROUPS])
            more = f"; and {len(groups) - GROUPS} more groups" if len(groups) > GROUPS else ""
            notes.append(f"{what}: {named}{more}")
    if report.long_captions:
        notes.append(
            f"{len(report.long_captions)} with captions past the {report.token_limit} tokens that"
            f" are read, so cut there: {name_some(report.long_captions)}"
        )
    marks = [f"{n} {_MARKS[mark]}" for mark, n in sorted(report.marks.items()) if mark in _MARKS]
    if marks:
        notes.append(f"Of the pictures: {', '.join(marks)}")
    return notes
