"""What only looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lorad.daemon import pictures
from lorad.daemon.later import InPieces, Later
from lorad.daemon.loglines import lines_of
from lorad.daemon.logs import read_log
from lorad.shared.errors import (
    LogTooSlow,
    NoPicture,
    PictureTooSlow,
    RecipeError,
    UnsupportedProtocol,
)
from lorad.shared.messages import (
    PROTOCOL,
    Chart,
    GetChart,
    GetHealth,
    GetLog,
    GetLogLines,
    GetMarks,
    GetMetrics,
    GetNotes,
    GetPicture,
    GetRecipe,
    GetSamples,
    GetStatus,
    Health,
    Hello,
    Log,
    LogLines,
    Marks,
    Metrics,
    Notes,
    RecipeText,
    Samples,
    Status,
    Welcome,
    Why,
    WhyJob,
)
from lorad.shared.recipe.changes import changed_source

if TYPE_CHECKING:
    from lorad.daemon.service import Service

MAX_POINTS = 20_000
MAX_LOG_BYTES = 1 << 18
MAX_NOTES = 1000
LOG_SECONDS = 20.0


def hello(service: Service, request: Hello, actor: str) -> Welcome:
    if not request.protocol_min <= PROTOCOL <= request.protocol_max:
        theirs = f"{request.protocol_min} to {request.protocol_max}"
        raise UnsupportedProtocol(theirs=theirs, ours=PROTOCOL)
    return Welcome(protocol=PROTOCOL, daemon=service.info)


def get_status(service: Service, request: GetStatus, actor: str) -> Status:
    reading = service.gauges.newest
    return Status(
        daemon=service.info,
        gpus=reading.gpus,
        host=reading.host,
        jobs=service.queue.standing(service.store.jobs()),
        heads=service.events.heads(),
        groups=service.store.groups(),
        draining=service.store.draining(),
    )


def why_job(service: Service, request: WhyJob, actor: str) -> Why:
    return Why(sentence=service.queue.why(service.store.job(request.id)))


def get_recipe(service: Service, request: GetRecipe, actor: str) -> RecipeText:
    stored = service.store.recipe(request.id)
    text = stored.text
    if stored.changes:
        try:
            text = changed_source(text, stored.changes)
        except RecipeError:  # another version took it: whoever repairs it needs to see it
            lines = [f"# lorad set: {key} = {value}" for key, value in stored.changes.items()]
            text = "\n".join([text.rstrip("\n"), *lines, ""])
    return RecipeText(recipe=text, folder=stored.folder)


def get_metrics(service: Service, request: GetMetrics, actor: str) -> Metrics:
    service.store.job(request.id)
    limit = max(1, min(request.limit, MAX_POINTS))
    return Metrics(
        points=service.store.points(request.id, request.after, limit),
        validations=service.store.validations(request.id, request.after, limit),
    )


def get_chart(service: Service, request: GetChart, actor: str) -> Chart | InPieces:
    service.store.job(request.id)
    images = 1
    if request.axis == "images" and (recipe := service.queue.readable(request.id)):
        images = recipe.train.train_batch_size * recipe.train.gradient_accumulation_steps
    charts = service.queue.charts
    if not charts.read(request.id):
        # A long run that nobody looked at yet: others are answered meanwhile.
        return InPieces(lambda: charts.read(request.id), lambda: charts.draw(request, images))
    return charts.draw(request, images)


def get_marks(service: Service, request: GetMarks, actor: str) -> Marks:
    service.store.job(request.id)
    return Marks(marks=service.store.marks(request.id))


def get_samples(service: Service, request: GetSamples, actor: str) -> Samples:
    service.store.job(request.id)
    pictures = service.store.samples(
        request.id, newest=request.newest, before=request.before, limit=request.limit
    )
    return Samples(pictures=pictures)


def get_picture(service: Service, request: GetPicture, actor: str) -> Later:
    service.store.job(request.id)
    picture = service.store.sample(request.id, request.step, request.index)
    if picture is None:
        raise NoPicture(id=request.id, step=request.step, index=request.index)
    too_late = PictureTooSlow(path=picture.path)
    return Later(lambda: pictures.prepare(request, picture), too_late, pictures.SECONDS)


def get_notes(service: Service, request: GetNotes, actor: str) -> Notes:
    service.store.job(request.id)
    limit = max(1, min(request.limit, MAX_NOTES))
    return Notes(notes=service.store.notes(request.id, limit))


def get_log_lines(service: Service, request: GetLogLines, actor: str) -> LogLines | Later:
    path = _log_path(service, request.id)
    if not request.find and request.level == "info":
        return lines_of(path, request)
    # Where nothing fits, megabytes are sifted.
    return Later(lambda: lines_of(path, request), LogTooSlow(), LOG_SECONDS)


def get_health(service: Service, request: GetHealth, actor: str) -> Health:
    return service.pulse.health()


def _log_path(service: Service, job_id: int) -> Path:
    """Of a job, or of the daemon itself.

    Raises:
        UnknownJob: there is none of that number.
    """
    if not job_id:
        return service.home.daemon_log
    service.store.job(job_id)
    return service.home.log(job_id)


def get_log(service: Service, request: GetLog, actor: str) -> Log:
    path = _log_path(service, request.id)
    limit = max(1, min(request.limit, MAX_LOG_BYTES))
    return read_log(path, request.offset, limit)
