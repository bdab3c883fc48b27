"""What the link's thread posts to the app."""

from __future__ import annotations

from textual.message import Message

from lorad.shared.messages import AnyReply, AnyRequest, Happening


class News(Message):
    """There is a newer mirror. One of each kind is on its way at most."""

    def __init__(self, *, gauges: bool = False) -> None:
        """`gauges`: only the machine's figures are newer, which nobody waits for."""
        super().__init__()
        self.gauges = gauges


class FromLink(Message):
    """What one box said; another one may be looked at by now."""

    link: object = None
    """Whose it is; the app puts it in when the link posts."""


class Answered(FromLink):
    """The daemon did what was asked, or says that it will."""

    def __init__(self, request: AnyRequest, reply: AnyReply) -> None:
        super().__init__()
        self.request = request
        self.reply = reply


class Declined(FromLink):
    """It did not, and this sentence says why."""

    def __init__(self, request: AnyRequest, sentence: str) -> None:
        super().__init__()
        self.request = request
        self.sentence = sentence


class Noticed(Message):
    """Something happened, just now."""

    def __init__(self, happening: Happening, place: str) -> None:
        super().__init__()
        self.happening = happening
        self.place = place
