"""The encoded data set, resident where it fits, and its keyed batches."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from lorad.daemon.training import keyed
from lorad.daemon.training.data.buckets import Bucket
from lorad.daemon.training.data.cache import Tensors
from lorad.daemon.training.data.encoder import Encoded
from lorad.daemon.training.data.later import Column, Later, make_some
from lorad.daemon.training.data.order import Order, Shown
from lorad.daemon.training.data.tables import Mover, Rows, Table
from lorad.daemon.training.device import Place
from lorad.daemon.training.families import Family
from lorad.daemon.training.families.base import Condition, Tokens
from lorad.daemon.training.objective import Objective
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """One micro-batch, or a share of it, on the device; all of one bucket."""

    rows: list[int]
    """Which pictures."""
    latents: torch.Tensor
    """[n, c, h/8, w/8], drawn from the posterior, shifted and scaled."""
    noise: torch.Tensor
    """[n, c, h/8, w/8], with its offset: what is to be guessed."""
    perturbed: torch.Tensor
    """[n, c, h/8, w/8]: what is added. The noise itself, or with `objective.input_perturbation`
    some more of it (Ning et al. 2023, arXiv 2301.11706)."""
    timesteps: torch.Tensor
    """[n], as the objective draws them."""
    condition: Condition
    """Embeddings and `sizes`; only `sizes` where text encoders are trained."""
    tokens: Tokens
    """[n, tokens] each where a text encoder is trained; else empty."""
    weights: torch.Tensor
    """[n]: `data.weight`, times `objective.prior_loss_weight` for regularisation pictures."""
    mask: torch.Tensor | None
    """[n, 1, h/8, w/8] in 0..1; none where no picture has one."""


class _Tables(NamedTuple):
    """One bucket's views."""

    posteriors: Table
    sizes: Table
    masks: Table | None


class Dataset:
    """All pictures as posterior mean and std, all captions as embeddings or tokens.

    What a micro-batch holds is a function of the recipe, the step and the micro-batch's number
    alone; every draw is keyed by the place (step * accumulation + micro) * batch + row.
    """

    def __init__(
        self, encoded: Encoded, recipe: Recipe, family: Family, objective: Objective, place: Place
    ) -> None:
        """Brings onto the device what takes a modest share of its free memory."""
        self._encoded = encoded
        self._recipe = recipe
        self._scaling, self._shift = family.scaling_factor, family.shift_factor
        self._objective = objective
        self._exact = place.exact
        self._mover = Mover(place.device)
        self._tables = [
            _Tables(
                Table(shape.posteriors, self._mover),
                Table(list(torch.tensor(shape.sizes, dtype=torch.float32)), self._mover),
                Table(shape.masks, self._mover) if shape.masks else None,
            )
            for shape in encoded.shapes
        ]
        first = encoded.texts[encoded.empty] if encoded.texts else {}
        self._texts = {name: Table(_column(encoded.texts, name), self._mover) for name in first}
        self._tokens = {
            name: Table(list(tokens), self._mover) for name, tokens in encoded.tokens.items()
        }
        self._weights = Table(list(_weights(encoded, recipe)), self._mover)
        self._order = Order(
            [
                Shown(picture.shape, data.repeats, data.is_reg)
                for picture in encoded.pictures
                for data in (recipe.data[picture.block],)
            ],
            recipe.train.train_batch_size,
            recipe.train.seed,
        )

    def __len__(self) -> int:
        """How many pictures."""
        return len(self._encoded.pictures)

    def make_more(self, seconds: float) -> bool:
        """Encode what is not yet, for so long; whether something is left."""
        return make_some(self._encoded.later, seconds)

    def flush(self) -> None:
        """Put what was encoded into the cache, where the next run finds it."""
        for entries in self._encoded.later:
            entries.flush()

    # -- the order --------------------------------------------------------------------------------

    @property
    def buckets(self) -> list[Bucket]:
        """The shapes and how many pictures have each."""
        counts = [0] * len(self._encoded.shapes)
        for picture in self._encoded.pictures:
            counts[picture.shape] += 1
        pairs = zip(self._encoded.shapes, counts, strict=True)
        return [Bucket(*shape.size, count) for shape, count in pairs]

    def steps(self, epochs: int) -> int:
        """How many it takes to show so many epochs."""
        return -(-self._order.batches(epochs) // self._recipe.train.gradient_accumulation_steps)

    def names(self, step: int) -> list[str]:
        """The pictures of a step, each once."""
        accumulation = self._recipe.train.gradient_accumulation_steps
        rows = [
            row
            for number in range(step * accumulation, (step + 1) * accumulation)
            for row in self._order.batch(number)[1]
        ]
        return [self._encoded.pictures[row].name for row in dict.fromkeys(rows)]

    # -- batches ----------------------------------------------------------------------------------

    def batch(self, step: int, micro: int, share: slice = slice(None)) -> Batch:
        """The rows `share` of a micro-batch.

        Where the run is exact each row's noise comes from a generator of its own on the CPU, the
        same on every machine. Elsewhere the device draws it for the whole micro-batch at once,
        whatever the share: still a function of step and micro alone, but of the kind of device too.
        """
        train = self._recipe.train
        number = step * train.gradient_accumulation_steps + micro
        shape, rows = self._order.batch(number)
        first = number * train.train_batch_size
        places = range(first, first + train.train_batch_size)
        draws = _Draws(self._mover, self._exact, train.seed, number, train.train_batch_size, share)
        rows, places = rows[share], places[share]
        chosen = [self._choose(row, place) for row, place in zip(rows, places, strict=True)]
        at = self._mover.rows([view for view, _ in chosen], [text for _, text in chosen], rows)
        mean, std = self._tables[shape].posteriors.take(at[0]).unbind(1)
        size = tuple(mean.shape[1:])
        latents = (mean + std * draws.normal("latent", size) - self._shift) * self._scaling
        noise, perturbed = self._noise(draws, size)
        condition, tokens, mask = self._given(shape, at[0], at[1])
        return Batch(
            rows=rows,
            latents=latents,
            noise=noise,
            perturbed=perturbed,
            timesteps=self._mover.move(self._objective.timesteps(train.seed, places)),
            condition=condition,
            tokens=tokens,
            weights=self._weights.take(at[2]),
            mask=mask,
        )

    def fixed_batches(self, size: int) -> Iterator[Batch]:
        """For validation: every picture at each of the fixed timesteps, by bucket, so many at once.

        Posterior means, the first view, the first caption; the noise is keyed by the picture's
        content and the timestep, whatever the run's seed, so that runs can be compared. `weights`
        are all 1.
        """
        fixed = self._objective.fixed_timesteps(self._recipe.validate.timesteps)
        for shape in range(len(self._tables)):
            here = [
                row for row, picture in enumerate(self._encoded.pictures) if picture.shape == shape
            ]
            for first in range(0, len(here), size):
                for number in range(len(fixed)):
                    yield self._fixed(shape, here[first : first + size], number, fixed[number])

    def _fixed(self, shape: int, rows: list[int], number: int, timestep: torch.Tensor) -> Batch:
        pictures = [self._encoded.pictures[row] for row in rows]
        texts = [self._encoded.captions[row][0] for row in rows]
        at = self._mover.rows([picture.views[0] for picture in pictures], texts)
        mean = self._tables[shape].posteriors.take(at[0])[:, 0]
        drawn = [
            keyed.normal(tuple(mean.shape[1:]), 0, f"validate/{picture.sha256}", number)
            for picture in pictures
        ]
        noise = self._mover.move(torch.stack(drawn))
        condition, tokens, mask = self._given(shape, *at)
        return Batch(
            rows=rows,
            latents=(mean - self._shift) * self._scaling,
            noise=noise,
            perturbed=noise,
            timesteps=self._mover.move(timestep.repeat(len(rows))),
            condition=condition,
            tokens=tokens,
            weights=self._mover.move(torch.ones(len(rows))),
            mask=mask,
        )

    def _given(
        self, shape: int, views: Rows, texts: Rows
    ) -> tuple[Condition, Tokens, torch.Tensor | None]:
        """What is taken from the tables as it is."""
        tables = self._tables[shape]
        condition = {name: table.take(texts) for name, table in self._texts.items()}
        condition["sizes"] = tables.sizes.take(views)
        tokens = {name: table.take(texts) for name, table in self._tokens.items()}
        return condition, tokens, tables.masks.take(views) if tables.masks else None

    def _noise(self, draws: _Draws, size: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """What is to be guessed, and what is added."""
        objective = self._recipe.objective
        noise = draws.normal("noise", size)
        if objective.noise_offset:
            # https://www.crosslabs.org/blog/diffusion-with-offset-noise
            noise = noise + objective.noise_offset * draws.normal("offset", (size[0], 1, 1))
        if not objective.input_perturbation:
            return noise, noise
        return noise, noise + objective.input_perturbation * draws.normal("perturbation", size)

    def _choose(self, row: int, place: int) -> tuple[int, int]:
        """A row of the shape's views and one of the captions, for this place."""
        picture, captions = self._encoded.pictures[row], self._encoded.captions[row]
        seed, data = self._recipe.train.seed, self._recipe.data[picture.block]
        view = picture.views[keyed.integer(len(picture.views), seed, "flip", place)]
        if keyed.chance(data.caption_dropout, seed, "caption", place):
            return view, self._encoded.empty
        return view, captions[keyed.integer(len(captions), seed, "variant", place)]

    def tell_buckets(self) -> None:
        """Log which buckets there are, and which show a picture twice in one batch."""
        log.info(
            "Buckets: %s",
            ", ".join(f"{one.width}x{one.height} ({one.pictures})" for one in self.buckets),
        )
        size = self._recipe.train.train_batch_size
        small = [
            f"{bucket.width}x{bucket.height} ({shown})"
            for bucket, shown in zip(self.buckets, self._order.shown_an_epoch(), strict=True)
            if 0 < shown < size
        ]
        if small:
            log.info(
                "An epoch shows fewer pictures of these buckets than a batch holds (%d), so a batch"
                " of theirs shows some twice: %s",
                size,
                ", ".join(small),
            )


@dataclass(frozen=True)
class _Draws:
    """The normal numbers of a micro-batch."""

    mover: Mover
    exact: bool
    seed: int
    number: int
    """Of the micro-batch."""
    size: int
    """Its rows in all."""
    share: slice

    def normal(self, stream: str, shape: tuple[int, ...]) -> torch.Tensor:
        """[rows of the share, *shape] on the device."""
        first = self.number * self.size
        if self.exact:
            places = range(first, first + self.size)[self.share]
            return self.mover.move(keyed.normals(shape, self.seed, stream, places))
        whole = (self.size, *shape)
        return keyed.normals_on(self.mover.device, whole, self.seed, stream, self.number)[
            self.share
        ]


def _column(entries: Sequence[Tensors], name: str) -> Sequence[torch.Tensor]:
    """One tensor of each; of what is made later, later."""
    return Column(entries, name) if isinstance(entries, Later) else [e[name] for e in entries]


def _weights(encoded: Encoded, recipe: Recipe) -> torch.Tensor:
    """[pictures]."""
    prior = recipe.objective.prior_loss_weight
    blocks = [data.weight * (prior if data.is_reg else 1.0) for data in recipe.data]
    return torch.tensor([blocks[picture.block] for picture in encoded.pictures])
