"""Everything that a run needs before its first step: found, checked, loaded, encoded, restored."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lorad.daemon.training import keyed
from lorad.daemon.training.begin import look_at
from lorad.daemon.training.checkpoint import Checkpoints, State, Tensors
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.dataset import Dataset
from lorad.daemon.training.data.encoder import Encoder
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.looking import Looking
from lorad.daemon.training.data.manifest import Entry, hold
from lorad.daemon.training.data.split import held_out
from lorad.daemon.training.data.survey import survey
from lorad.daemon.training.data.told import report_lines
from lorad.daemon.training.data.trim import limit_bytes
from lorad.daemon.training.device import Place, find_place
from lorad.daemon.training.ema import Ema
from lorad.daemon.training.exactness import inexact
from lorad.daemon.training.families import Family, import_family, load_family
from lorad.daemon.training.fit import ports_of, refuse_unfit
from lorad.daemon.training.flat import ELEMENTWISE, flatten
from lorad.daemon.training.lean import make_lean
from lorad.daemon.training.line import Line, say
from lorad.daemon.training.lora import add_lora
from lorad.daemon.training.metadata import About, Block
from lorad.daemon.training.objective import Objective, make_objective
from lorad.daemon.training.optimizer import make_groups, make_optimizer, restore_optimizer
from lorad.daemon.training.peers import Peers
from lorad.daemon.training.plan import Plan
from lorad.daemon.training.preview import Preview
from lorad.daemon.training.run import Run, steps_of
from lorad.daemon.training.schedule import learning_rates
from lorad.daemon.training.speed import Pace, machine_name, place_of
from lorad.daemon.training.trackers import Trackers
from lorad.daemon.training.validation import Validator
from lorad.shared.errors import CannotContinue, CheckpointUnusable
from lorad.shared.messages import Assignment, NoteReport
from lorad.shared.recipe import Recipe
from lorad.shared.recipe.changes import changed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pictures:
    """Those that are trained, and those that are held out."""

    items: list[Item]
    entries: list[Entry]
    held_items: list[Item]
    held_entries: list[Entry]


@dataclass(frozen=True)
class Loaded:
    """What takes long."""

    place: Place
    family: Family
    objective: Objective
    dataset: Dataset
    validator: Validator | None
    pictures: Pictures
    cache: Cache
    pace: Pace


def prepare(task: Assignment, line: Line, peers: Peers, looking: Looking | None = None) -> Run:
    """Load everything, and go back to the newest checkpoint if there is one to go on from.

    Raises:
        LoradError: whatever keeps the run from starting, in one sentence.
        Unwanted: somebody wants otherwise already.
    """
    recipe, folder = task.recipe, Path(task.folder)
    checkpoints = Checkpoints(folder, recipe.output.keep, task.life)
    with peers.lead_first():
        if task.fresh and peers.leads:
            checkpoints.clear()
    found = checkpoints.load()
    if found is not None:
        refuse_other_recipe(found[0], recipe, folder)
    with peers.lead_first():
        state = found[0] if found else None
        loaded = load(task, line, looking or look_at(task, line), state, leads=peers.leads)
    run = assemble(task, line, peers, loaded, checkpoints, begins=found is None)
    count = sum(parameter.numel() for parameter in run.trained)
    exact = "bit for bit" if loaded.place.exact else "not bit for bit"
    log.info("%s on %s (%s), %.2f million weights to train, %s", recipe.model.base,
             loaded.place.name, str(loaded.place.dtype).removeprefix("torch."), count / 1e6,
             exact)  # fmt: skip
    for reason in inexact(recipe, loaded.place):
        line.report(NoteReport(step=0, kind="inexact", text=reason))
    if found is not None:
        go_on(run, *found)
    return run


def load(
    task: Assignment, line: Line, looking: Looking, state: State | None, *, leads: bool
) -> Loaded:
    """Pictures and model; the pictures encoded. `state` is that of the checkpoint, if any.

    Raises:
        LoradError: something about them does not fit.
        Unwanted: somebody wants otherwise.
    """
    recipe, recipe_folder = task.recipe, Path(task.recipe_folder)
    source = refuse_unfit(recipe, recipe_folder, begins=state is None)
    import_family(source.folder, recipe.model.base)
    place = find_place(recipe, state.threads if state is not None else None)
    say(line, "reading the pictures and loading the model")
    with ThreadPoolExecutor(1, "pictures") as aside:
        found = aside.submit(find_pictures, task, looking, fresh=leads and state is None)
        try:
            family = load_family(recipe.model, recipe_folder, place.device, place.dtype)
        except BaseException:
            looking.end()  # or leaving this block would wait for all of them
            raise
        pictures = found.result()
    objective = make_objective(recipe, family.process)
    cache = Cache(Path(task.cache))
    encoder = Encoder(family, cache, place, lambda phase: say(line, phase))
    # A GPU takes many at a time, and what encodes leaves it; a process waits for all others.
    at_leisure = place.device.type == "cpu" and recipe.train.num_processes == 1
    encode = encoder.encode_later if at_leisure else encoder.encode
    encoded = encode(pictures.items, pictures.entries, recipe)
    dataset = Dataset(encoded, recipe, family, objective, place)
    dataset.tell_buckets()
    validator = None
    if pictures.held_items:
        held = encoder.encode(pictures.held_items, pictures.held_entries, recipe)
        held_set = Dataset(held, recipe, family, objective, place)
        validator = Validator(held_set, objective, family, place, recipe)
    cache.settle(limit_bytes())
    machine = machine_name(place.threads)
    pace = Pace(place_of(Path(task.cache), recipe, source.folder, machine), recipe.name, machine)
    return Loaded(place, family, objective, dataset, validator, pictures, cache, pace)


def find_pictures(task: Assignment, looking: Looking, *, fresh: bool) -> Pictures:
    """All pictures of the recipe, looked over and held to the manifest; which are held out.

    Raises:
        DataError: they cannot be used, or changed since the run began.
    """
    recipe, recipe_folder = task.recipe, Path(task.recipe_folder)
    ports = ports_of(recipe, recipe_folder, Path(task.cache))
    found = survey(recipe, looking, ports)
    for text in report_lines(found.report):
        log.info("%s", text)
    for problem in found.problems:
        raise problem
    items = found.items
    # A picture of the same name may be trained.
    apart = [dataclasses.replace(item, name=f"[validate]/{item.name}") for item in found.held]
    manifest = Path(task.folder) / "manifest.json"
    entries = hold(items + apart, manifest, fresh=fresh, index=found.index)
    out = held_out([(entry.block, entry.sha256) for entry in entries[: len(items)]], recipe)
    out += [True] * len(apart)
    sides: tuple[list[tuple[Item, Entry]], list[tuple[Item, Entry]]] = ([], [])
    for pair, is_out in zip(zip(items + apart, entries, strict=True), out, strict=True):
        sides[is_out].append(pair)
    kept, held = sides
    log.info("%d pictures to train, %d held out", len(kept), len(held))
    if len(held) > recipe.validate.max_pictures:
        drawn = keyed.order(len(held), recipe.train.seed, 0)[: recipe.validate.max_pictures]
        held = [held[row] for row in sorted(drawn)]
        log.info("%d of those held out are looked at", len(held))
    return Pictures(
        [item for item, _ in kept], [entry for _, entry in kept],
        [item for item, _ in held], [entry for _, entry in held],
    )  # fmt: skip


def assemble(
    task: Assignment,
    line: Line,
    peers: Peers,
    loaded: Loaded,
    checkpoints: Checkpoints,
    *,
    begins: bool,
) -> Run:
    """A run at step 0, with a fresh adapter."""
    recipe, folder, recipe_folder = task.recipe, Path(task.folder), Path(task.recipe_folder)
    place, family = loaded.place, loaded.family
    parameters = add_lora(family, recipe, recipe_folder, begins=begins)
    family.network.train()
    if recipe.lora.train_text_encoder:
        for text_encoder in family.text_encoders.values():
            text_encoder.train()
    if place.device.type == "cpu" and place.dtype == torch.float32:
        make_lean(family.network)
    alike = recipe.optimizer.type in ELEMENTWISE
    moved = flatten(parameters) if alike else parameters
    optimizer = make_optimizer(make_groups(moved, recipe), recipe, place.device)
    prepared: Any = place.accelerator.prepare(optimizer)
    last_step = steps_of(recipe, loaded.dataset)
    run = Run(
        recipe=recipe,
        recipe_folder=recipe_folder,
        line=line,
        peers=peers,
        folder=folder,
        place=place,
        family=family,
        objective=loaded.objective,
        dataset=loaded.dataset,
        validator=loaded.validator,
        parameters=parameters,
        moved=moved,
        optimizer=prepared,
        ema=Ema(moved, recipe.train.ema_decay) if recipe.train.ema_decay else None,
        rates=learning_rates(recipe, last_step),
        checkpoints=checkpoints,
        preview=Preview(family, recipe, folder),
        trackers=Trackers(recipe, folder, recipe.log.report_to if peers.leads else ()),
        about=about(recipe, loaded),
        cache=loaded.cache,
        pace=loaded.pace,
        last_step=last_step,
        asked=task.samples,
    )
    run.follow(Plan(gradient_checkpointing=recipe.train.gradient_checkpointing is True))
    return run


def about(recipe: Recipe, loaded: Loaded) -> About:
    """What the files' metadata tell of the data."""
    entries = loaded.pictures.entries
    blocks = []
    for number in range(len(recipe.data)):
        own = [entry for entry in entries if entry.block == number]
        blocks.append(Block(len(own), _tags(own)))
    return About(
        pictures=len(entries),
        tags=_tags(entries),
        precision=loaded.place.accelerator.mixed_precision,
        started=time.time(),
        blocks=tuple(blocks),
        buckets=tuple(loaded.dataset.buckets),
    )


def _tags(entries: list[Entry]) -> dict[str, int]:
    """How often each comma-separated part of a caption occurs."""
    captions = (caption for entry in entries for caption in entry.captions)
    return dict(Counter(tag.strip().lower() for caption in captions for tag in caption.split(",")))


def restore(run: Run, state: State, tensors: Tensors) -> None:
    """Go back to a checkpoint.

    Raises:
        CheckpointUnusable: it names other tensors than this version does.
    """
    try:
        with torch.no_grad():
            for name, parameter in run.parameters.items():
                parameter.copy_(tensors.adapter[name])
        restore_optimizer(run.inner, run.moved, tensors.optimizer, state.optimizer)
    except KeyError as error:
        why = f"that of step {state.step} has other names than {error}"
        raise CheckpointUnusable(folder=run.folder, why=why) from error
    if run.ema is not None:
        run.ema.restore(tensors.ema)
    if state.scaler is not None and run.place.accelerator.scaler is not None:
        run.place.accelerator.scaler.load_state_dict(state.scaler)
    run.step, run.best, run.looked = state.step, state.best, state.looked
    run.drawn = max(run.drawn, state.samples)


def go_on(run: Run, state: State, tensors: Tensors) -> None:
    """Go on from a checkpoint, and say what is not as it was."""
    restore(run, state, tensors)
    tell_passed_over(run)
    run.follow(state.plan)
    log.info("Goes on from the checkpoint of step %d", state.step)
    run.about = dataclasses.replace(run.about, started=state.started)
    run.changes = list(state.changes)
    for found in changed(state.recipe, run.recipe):
        run.note_change(str(found))
    for text in (
        _other("torch was {} and is {}", state.torch, str(torch.__version__)),
        _other("the device was {} and is {}", state.device, run.place.name),
        _other("it ran on {} processes and runs on {}", state.processes, run.peers.count),
    ):
        if text:
            log.warning("It goes on, but not bit for bit: %s", text)
            run.line.report(NoteReport(step=run.step, kind="inexact", text=text))


def tell_passed_over(run: Run) -> None:
    """Say which checkpoints could not be used, and from where it goes on instead."""
    for found in run.checkpoints.passed_over:
        run.note("rollback", f"A checkpoint cannot be used, and it goes on from step {run.step}:"
                             f" {found}.")  # fmt: skip


def _other(words: str, then: object, now: object) -> str:
    return words.format(then, now) if then != now else ""


def refuse_other_recipe(state: State, recipe: Recipe, folder: Path) -> None:
    """Only what leaves the steps so far as they were may have changed.

    Raises:
        CannotContinue: names what has.
    """
    for found in changed(state.recipe, recipe):
        if not found.allowed:
            raise CannotContinue(folder=folder, why=str(found))
