"""A viewer that only looks."""

from __future__ import annotations

from lorad.shared.messages import READING, AnyRequest, Metric
from lorad.tui.link import Link, Post
from lorad.tui.messages import Declined
from lorad.tui.mirror import Mirror

SENTENCE = "This dashboard only looks (--readonly), so nothing was asked for."


class ReadOnlyLink:
    """Another link, without the requests that change something."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._post: Post = lambda message: None

    @property
    def seen(self) -> float | None:
        """The newest moment that was heard of."""
        return self._link.seen

    def start(self, post: Post) -> None:
        """Begin."""
        self._post = post
        self._link.start(post)

    def stop(self) -> None:
        """End."""
        self._link.stop()

    def take(self) -> Mirror:
        """The newest mirror."""
        return self._link.take()

    def select(self, job_id: int | None) -> None:
        """Follow this job."""
        self._link.select(job_id)

    def chart(self, metrics: tuple[Metric, ...]) -> None:
        """Which curves are wanted."""
        self._link.chart(metrics)

    def ask(self, request: AnyRequest) -> None:
        """Hand over what only reads; the rest is declined."""
        if isinstance(request, READING):
            self._link.ask(request)
        else:
            self._post(Declined(request, SENTENCE))
