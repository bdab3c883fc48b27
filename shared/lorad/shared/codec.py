"""Bytes and messages. No I/O here.

A message is two frames, header and payload; an event has its topic before them.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from lorad.shared.errors import BadRequest, CannotBeSent
from lorad.shared.messages import PROTOCOL, AnyEvent, AnyReply, AnyRequest, FromRun, Message, ToRun

MAX_MESSAGE = 1 << 20
"""Bytes that a socket takes in one frame from outside: a recipe is some KiB."""
MAX_ID = 128
UNDECODABLE = (msgspec.MsgspecError, RecursionError, MemoryError, UnicodeDecodeError)
"""What msgspec raises of bytes that are not what was asked for.

RecursionError: deep nesting; it is no ValueError, and a handler that forgets it dies of it. Text
that is not UTF-8 is none of msgspec's errors either.
"""


class Header(Struct, frozen=True, kw_only=True):
    """Before every payload. Unknown fields are ignored, so that it may grow."""

    protocol: int = PROTOCOL
    kind: str
    """The payload's tag, known before it is decoded."""
    id: str = ""
    """Made by the client, repeated in the reply: a request that is sent twice acts once."""
    epoch: str = ""
    """The daemon that is meant, or that speaks."""
    seq: int = 0
    """Counts the events of one stream, without holes."""
    time: float = 0.0


_T = TypeVar("_T")
_encoder = msgspec.msgpack.Encoder()
_headers = msgspec.msgpack.Decoder(Header)
requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply)
events: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)
from_run: msgspec.msgpack.Decoder[FromRun] = msgspec.msgpack.Decoder(FromRun)
to_run: msgspec.msgpack.Decoder[ToRun] = msgspec.msgpack.Decoder(ToRun)


def encode(message: Message, **header: Any) -> list[bytes]:
    """Header and payload.

    Raises:
        CannotBeSent: there is a text or a number in it that no message can carry.
    """
    tag = str(message.__struct_config__.tag)
    about = Header(kind=tag, time=time.time(), **header)
    try:
        return [_encoder.encode(about), _encoder.encode(message)]
    except UnicodeEncodeError as error:  # a file's name may be any bytes
        raise CannotBeSent(kind=tag, why="a name or path in it is not UTF-8") from error
    except OverflowError as error:
        raise CannotBeSent(kind=tag, why="a number in it is out of range") from error


def decode(frames: list[bytes], payload: msgspec.msgpack.Decoder[_T]) -> tuple[Header, _T]:
    """The message in two frames.

    Raises:
        BadRequest: it is none, or none of this union.
    """
    about = decode_header(frames)
    try:
        return about, payload.decode(frames[1])
    except UNDECODABLE as error:
        raise BadRequest(why=f"{about.kind}: {error}") from error


def decode_header(frames: list[bytes]) -> Header:
    """The header alone, enough to answer a peer whose payload is not understood.

    Raises:
        BadRequest: it is none.
    """
    if len(frames) != 2:
        raise BadRequest(why=f"{len(frames)} frames instead of header and payload")
    try:
        about = _headers.decode(frames[0])
    except UNDECODABLE as error:
        raise BadRequest(why=f"header: {error}") from error
    if len(about.id) > MAX_ID:
        raise BadRequest(why="header: the id is too long")  # each is kept with its answer
    return about
