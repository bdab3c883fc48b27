"""The base of all messages, and their version."""

from __future__ import annotations

from msgspec import Struct

PROTOCOL = 3
"""Counts up when a message changes so that an older peer would misread it."""


class Message(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Base of all messages."""


class Request(Message, frozen=True):
    """Base of all requests."""


class JobRequest(Request, frozen=True):
    """Base of all that concern one job."""

    id: int
