"""What a person asks for is answered, also when it cannot even be sent."""

from __future__ import annotations

from typing import cast

from lorad.shared import codec
from lorad.shared.client import Client
from lorad.shared.messages import AddJob, AnyRequest
from lorad.tui.asking import Asking, Command, Pace


class Wire:
    """Takes what codec makes of it."""

    def send(self, request: AnyRequest, command_id: str, epoch: str) -> None:
        codec.encode(request, id=command_id, epoch=epoch)


def test_what_cannot_be_sent_is_declined_and_the_line_stays() -> None:
    asking = Asking(cast(Client, Wire()), Pace(room=1024))
    told: list[str] = []
    command = Command(AddJob(recipe="", folder="/\udcff"), epoch="e", at=0.0)
    asking.command(command, done=told.append, refused=lambda error: told.append(str(error)))
    assert told == ["This cannot be sent (add_job): a name or path in it is not UTF-8."]
    asking.check(0.0)
