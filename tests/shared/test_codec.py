from __future__ import annotations

import math
import typing

import msgspec
import pytest

from lorad.shared import codec, messages
from lorad.shared.errors import BadRequest, CannotBeSent, LoradError
from lorad.shared.jobs import Gpu, Host, Job, Queued
from lorad.shared.messages import GetMetrics, Message, Point, PointReport, Reports
from lorad.shared.recipe import parse_recipe

EXAMPLES: dict[object, object] = {
    int: 3, str: "x", float: 1.5, bool: True, bytes: b"x",
    Job: Job(id=1, name="a", status=Queued(), folder="/f", max_train_steps=3, created=1.0),
    Host: Host(cpu_percent=1.0, memory_total_bytes=2, memory_used_bytes=1),
    Gpu: Gpu(uuid="u", index=0, name="g", memory_total_bytes=2, memory_used_bytes=1),
}  # fmt: skip


def example(kind: typing.Any) -> typing.Any:
    """A value of any type that messages use."""
    if kind in EXAMPLES:
        return EXAMPLES[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return args[0]
    if origin is list:
        return [example(args[0])]
    if origin is tuple:
        return (example(args[0]),)
    if origin is dict:
        return {example(args[0]): example(args[1])}
    if args:  # a union
        return example(args[0])
    if kind.__name__ == "Recipe":
        return parse_recipe('name = "a"\n[data]\npath = "p"')
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: example(field.type) for field in fields})


UNIONS = {
    codec.requests: messages.AnyRequest,
    codec.replies: messages.AnyReply,
    codec.events: messages.AnyEvent,
    codec.from_run: messages.FromRun,
    codec.to_run: messages.ToRun,
}
CASES = [(decoder, kind) for decoder, union in UNIONS.items() for kind in typing.get_args(union)]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            messages.AddJob(recipe="", folder="/\udcff"),
            r"\(add_job\): a name or path in it is not UTF-8",
        ),
        (messages.CopyJob(id=2**70), r"\(copy_job\): a number in it is out of range"),
    ],
)
def test_what_no_message_can_carry_is_told(message: Message, sentence: str) -> None:
    with pytest.raises(CannotBeSent, match=sentence):
        codec.encode(message)


@pytest.mark.parametrize(("decoder", "kind"), CASES, ids=[kind.__name__ for _, kind in CASES])
def test_every_message_survives_the_wire(decoder: typing.Any, kind: type[Message]) -> None:
    message = example(kind)
    header, back = codec.decode(codec.encode(message, id="7", epoch="e"), decoder)
    assert back == message
    assert (header.kind, header.id, header.epoch) == (kind.__struct_config__.tag, "7", "e")


def test_an_id_is_short() -> None:
    """Each is kept with its answer, so a long one would fill the disk."""
    codec.decode(codec.encode(GetMetrics(id=1), id="x" * codec.MAX_ID), codec.requests)
    with pytest.raises(BadRequest, match="the id is too long"):
        codec.decode_header(codec.encode(GetMetrics(id=1), id="x" * (codec.MAX_ID + 1)))


def test_nan_survives() -> None:
    point = Point(
        step=1, time=0, loss=math.nan, learning_rate=1, grad_norm=math.inf, images_per_second=1
    )
    batch = Reports(first=1, reports=[PointReport(point=point)])
    _, back = codec.decode(codec.encode(batch), codec.from_run)
    assert isinstance(back, Reports)
    assert math.isnan(back.reports[0].point.loss)


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"x"],
        [b"x", b"y"],
        [b"x", b"y", b"z"],
        [codec.encode(GetMetrics(id=1))[0], b"\xff"],
        [codec.encode(GetMetrics(id=1))[0], nested(100_000)],
        # An unknown field of a header is passed over, however deep it is.
        [b"\x82\xa4kind\xa1x\xa1u" + nested(100_000), codec.encode(GetMetrics(id=1))[1]],
        [nested(100_000), codec.encode(GetMetrics(id=1))[1]],
        [codec.encode(GetMetrics(id=1))[0], msgspec.msgpack.encode({"type": "get_all"})],
        [
            codec.encode(GetMetrics(id=1))[0],
            msgspec.msgpack.encode({"type": "get_metrics", "id": 1, "extra": 1}),
        ],
    ],
)
def test_junk_is_a_sentence(frames: list[bytes]) -> None:
    with pytest.raises(BadRequest) as caught:
        codec.decode(frames, codec.requests)
    assert "cannot read this request" in str(caught.value)


def all_errors(kind: type[LoradError] = LoradError) -> list[type[LoradError]]:
    return [kind, *(deep for child in kind.__subclasses__() for deep in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_is_a_sentence_of_its_own(kind: type[LoradError]) -> None:
    assert "__doc__" in kind.__dict__
    assert kind.__doc__
    assert kind.exit_code in (1, 2, 3)
