"""What is filled in and sent, once."""

from __future__ import annotations

from textual import on
from textual.widgets import Input, Static, TextArea

from lorad.shared.clean import clean
from lorad.shared.errors import LoradError
from lorad.shared.messages import AnyRequest, GetRecipe
from lorad.tui.messages import Declined
from lorad.tui.screens.base import Dialogue

UNDER_WAY = "It is asked for …"


class Form(Dialogue):
    """Has a line `#trouble`. What it asked for is not asked for again before there is an answer."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[int, GetRecipe] = {}
        self._sent: AnyRequest | None = None
        """What is under way: an answer to anything else is of another dialogue."""

    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Ask for what is filled in, unless an answer is awaited."""
        if self._sent is not None:
            return
        try:
            request = self.filled()
        except LoradError as error:
            self.complain(str(error))
            return
        if request is not None:
            self._sent = request
            self.complain("")
            self.lorad.link.ask(request)

    def filled(self) -> AnyRequest | None:
        """What to ask the daemon for; none where there is nothing to be asked.

        Raises:
            LoradError: what is filled in cannot be used.
        """
        raise NotImplementedError

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _typed(self) -> None:
        self.complain("")

    def complain(self, sentence: str) -> None:
        """Say what is wrong; where nothing is, whether an answer is awaited."""
        waits = self._sent is not None and not sentence
        trouble = self.query_one("#trouble", Static)
        trouble.set_class(waits, "quiet")
        trouble.update(UNDER_WAY if waits else clean(sentence, 1000))

    def want_recipe(self, id: int) -> None:
        """Ask for this job's recipe, unless that was done."""
        if id not in self._asked:
            self._asked[id] = GetRecipe(id=id)
            self.lorad.link.ask(self._asked[id])

    def wanted_recipe(self, request: AnyRequest) -> int:
        """The job whose recipe this form wanted with it; else 0."""
        return next((id for id, asked in self._asked.items() if asked is request), 0)

    def declined(self, event: Declined) -> bool:
        """The daemon's sentence, where it is looked for."""
        if id := self.wanted_recipe(event.request):
            del self._asked[id]
        elif event.request is self._sent:
            self._sent = None
        else:
            return False
        self.complain(event.sentence)
        return True
