"""An answer that no message can carry is a refusal, and the daemon goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from lorad.daemon.service import Service
from lorad.shared import codec
from lorad.shared.messages import RecipeText, Refused


def test_a_name_on_the_disk_need_not_be_text() -> None:
    sent: list[list[bytes]] = []
    service = cast(Service, SimpleNamespace(info=SimpleNamespace(epoch="e")))
    peer = cast(Any, SimpleNamespace(send=sent.append))
    Service._send(service, peer, "7", RecipeText(recipe="", folder="/\udcff"))
    header, reply = codec.decode(sent[0], codec.replies)
    assert header.id == "7"
    assert isinstance(reply, Refused)
    assert "a name or path in it is not UTF-8" in reply.message
