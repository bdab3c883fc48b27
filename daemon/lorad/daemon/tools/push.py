"""`lorad lora push`: a run's LoRA, its card and its samples to a repository of the hub.

The token is the one of `hf auth login` or of the environment (HF_TOKEN): on a command line
everybody on the machine could read it.
"""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

from lorad.daemon.training.card import CARD, GRID
from lorad.shared.clean import first_line
from lorad.shared.errors import NotPushed
from lorad.shared.jobs import LORA_FILE

SAMPLE = re.compile(r"step-(\d+)-\d+\.png")


def push(folder: Path, repo: str, *, private: bool) -> str:
    """Create the repository if it is not there, and upload in one commit; its address.

    Raises:
        NotPushed: there is nothing to push, or the hub said no.
    """
    names = files_to_push(folder)
    if LORA_FILE not in names:
        raise NotPushed(repo=repo, why=f"{folder} holds no {LORA_FILE}")
    try:
        api = HfApi()
        created = api.create_repo(repo, private=private or None, exist_ok=True)
        api.upload_folder(
            repo_id=created.repo_id,
            folder_path=folder,
            allow_patterns=names,
            commit_message=f"Upload {folder.name}",
        )
    # Whatever the library or the network raise: to the user it is one thing.
    except Exception as error:
        raise NotPushed(repo=repo, why=_why(error)) from error
    return str(created)


def files_to_push(folder: Path) -> list[str]:
    """The LoRA in both keys, the card, its pictures, and the samples of the newest round."""
    names = [path.name for path in sorted(folder.glob("*.safetensors"))]
    names += [name for name in (CARD, GRID, "before_after.png") if (folder / name).is_file()]
    samples = {path: SAMPLE.fullmatch(path.name) for path in (folder / "samples").glob("*.png")}
    steps = {path: int(found[1]) for path, found in samples.items() if found}
    newest = max(steps.values(), default=None)
    return names + sorted(f"samples/{path.name}" for path, step in steps.items() if step == newest)


def _why(error: Exception) -> str:
    """What the hub's library means."""
    if isinstance(error, LocalTokenNotFoundError):
        return "nobody is logged in. Run `hf auth login`, or set HF_TOKEN"
    if isinstance(error, HFValidationError):
        return "that is no name of a repository; write it as `user/name`"
    if isinstance(error, HfHubHTTPError):
        code = error.response.status_code
        known = {
            401: "the hub does not know the token, or there is none. Run `hf auth login`",
            403: "this token may not write there. Make one that may, then `hf auth login`",
            404: "the hub knows no such user or organisation",
            413: "the hub takes no files so large",
        }
        return known.get(code, f"the hub answered {code}: {error.server_message or error.response}")
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"ConnectError", "ConnectionError", "OfflineModeIsEnabled", "TimeoutException"}:
        return "the hub cannot be reached. Look at the network, and try again"
    return first_line(error)
