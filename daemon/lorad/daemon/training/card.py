"""The model card: what somebody who finds the LoRA needs to draw with it and to make it again.

Its front matter is the hub's (`huggingface_hub.ModelCardData`); the licence is the user's to say.
A card that is there already keeps what people wrote: of its text only what stands between two marks
is written again, of its front matter `REWRITTEN`, and a card without the marks is left alone.
"""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

from huggingface_hub import ModelCardData
from msgspec.structs import replace

from lorad.daemon.training.export import kohya_file
from lorad.daemon.training.families import hub
from lorad.daemon.training.files import write_atomically
from lorad.daemon.training.metadata import base_name, trigger_phrase
from lorad.daemon.training.sheets import grid
from lorad.shared.jobs import LORA_FILE
from lorad.shared.recipe import Recipe
from lorad.shared.recipe.writing import as_document
from lorad.shared.words import counted

log = logging.getLogger(__name__)
CARD = "README.md"
GRID = "samples.png"
BEGIN = "<!-- lorad writes from here on at each save, and `widget` and `instance_prompt` above -->"
END = "<!-- lorad writes no further: the rest is yours -->"
REWRITTEN = ("widget", "instance_prompt")
"""Of the front matter: what changes with the recipe."""
KEY = re.compile(r"([A-Za-z_][\w.-]*):(\s|$)")
PIPELINES = {"sd3": "StableDiffusion3Pipeline", "sdxl": "StableDiffusionXLPipeline"}
"""By family; all others are plain."""


def write_card(folder: Path, family_name: str, recipe: Recipe, step: int) -> list[str]:
    """Write the card, and a grid of the pictures in `folder`/samples; the names of the files.

    Raises:
        DiskFull: the card that was there stays.
    """
    path = folder / CARD
    names = [CARD]
    if (sheet := grid(folder / "samples")) is not None:
        out = io.BytesIO()
        sheet.save(out, "PNG")
        write_atomically(folder / GRID, out.getvalue(), "card")
        names.append(GRID)
    card = make_card(family_name, recipe, step, has_grid=sheet is not None)
    try:
        card = merge_cards(path.read_text(encoding="utf-8"), card)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        log.warning("The card %s is left as it is: it cannot be read (%s)", path, error)
        return names
    write_atomically(path, card.encode(), "card")
    return names


def merge_cards(old: str, new: str) -> str:
    """The card that is there with what is lorad's in it as in the new one; pure."""
    their_front, theirs = _split(old)
    our_front, ours = _split(new)
    if not {BEGIN, END} <= set(theirs):
        return old  # somebody else's
    first, last = theirs.index(BEGIN), len(theirs) - theirs[::-1].index(END)
    own = ours[ours.index(BEGIN) : len(ours) - ours[::-1].index(END)]
    kept, fresh = _blocks(their_front), _blocks(our_front)
    front = kept | {key: fresh[key] for key in fresh if key not in kept or key in REWRITTEN}
    lines = [line for block in front.values() for line in block]
    return "\n".join(["---", *lines, "---", *theirs[:first], *own, *theirs[last:]])


def _split(card: str) -> tuple[list[str], list[str]]:
    """The lines of the front matter, and those of the text."""
    lines = card.split("\n")
    if lines[0] == "---" and "---" in lines[1:]:
        end = lines.index("---", 1)
        return lines[1:end], lines[end + 1 :]
    return [], lines


def _blocks(front: list[str]) -> dict[str, list[str]]:
    """The lines of each key of a front matter, comments and all; before the first key, of none."""
    blocks: dict[str, list[str]] = {}
    key = ""
    for line in front:
        if found := KEY.match(line):
            key = found[1]
        blocks.setdefault(key, []).append(line)
    return blocks


def make_card(family_name: str, recipe: Recipe, step: int, *, has_grid: bool) -> str:
    """The card's text; pure."""
    is_hub_name = hub.is_name(recipe.model.base)
    phrase = trigger_phrase(recipe)
    prompts = [prompt if isinstance(prompt, str) else prompt.prompt for prompt in
               recipe.sample.prompts]  # fmt: skip
    front = ModelCardData(
        base_model=recipe.model.base if is_hub_name else None,
        library_name="diffusers",
        pipeline_tag="text-to-image",
        tags=["text-to-image", "diffusers", "lora", "lorad", _tag(family_name)],
        instance_prompt=phrase or None,
        widget=[{"text": prompts[0], "output": {"url": GRID}}] if has_grid and prompts else None,
    )
    parts = [
        f"---\n{front.to_yaml()}\n---",
        BEGIN,
        f"# {recipe.name}",
        f"A {_type(recipe)} for `{base_name(recipe.model.base)}`, trained for"
        f" {counted(step, 'step')}.",
        f"Write `{phrase}` in the prompt to call it." if phrase else "",
        _samples(prompts) if has_grid else "",
        "## With diffusers",
        _code("python", _snippet(family_name, recipe, phrase or (prompts or [""])[0])),
        "## With ComfyUI, Forge and others",
        f"Put `{kohya_file(recipe)}` into the folder of LoRA files. Its keys are kohya's.",
        "## Recipe",
        _code("toml", as_document(without_places(recipe)).strip()),
        END,
        "## Licence",
        "Not stated yet. Say here, and as `license:` above, under which terms it may be used;"
        " those of the base model hold as well.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _snippet(family_name: str, recipe: Recipe, prompt: str) -> str:
    pipeline = PIPELINES.get(family_name, "StableDiffusionPipeline")
    lines = [
        f"from diffusers import {pipeline}",
        "",
        f"pipe = {pipeline}.from_pretrained({_shown(recipe.model.base)!r})",
        *_loading("transformer" if family_name == "sd3" else "unet", recipe),
        f"picture = pipe({prompt!r}).images[0]",
    ]
    return "\n".join(lines)


def _loading(network: str, recipe: Recipe) -> list[str]:
    """How a file of this type is loaded: diffusers' pipelines know LoRA, its models LoKr too."""
    if recipe.lora.type == "lora":
        return [f'pipe.load_lora_weights("this/folder", weight_name="{LORA_FILE}")']
    if recipe.lora.type == "lokr":
        call = f'load_lora_adapter("this/folder", weight_name="{LORA_FILE}",'
        return ["# from diffusers 0.42 on; the text encoders' part, if any, is for lorad alone",
                f"pipe.{network}.{call}", f'    prefix="{network}")']  # fmt: skip
    return ["# diffusers has no loader for LoHa: `lorad lora merge` makes a model of both",
            'pipe = type(pipe).from_pretrained("merged/folder")']  # fmt: skip


def _type(recipe: Recipe) -> str:
    lora = recipe.lora
    name = {"lora": "DoRA" if lora.use_dora else "LoRA", "loha": "LoHa", "lokr": "LoKr"}[lora.type]
    return f"{name} of rank {lora.rank}"


def _tag(family_name: str) -> str:
    return {"sd3": "stable-diffusion-3", "sdxl": "stable-diffusion-xl"}.get(
        family_name, "stable-diffusion"
    )


def _samples(prompts: list[str]) -> str:
    listed = "\n".join(f"{number}. {prompt}" for number, prompt in enumerate(prompts, 1))
    return f"![Samples]({GRID})\n\n{listed}"


def without_places(recipe: Recipe) -> Recipe:
    """The recipe without the folders on the user's disk: of a whole path only its end is told."""
    data = [
        replace(
            block,
            path=_end(block.path),
            dataset_name=_end(block.dataset_name),
            mask_path=_end(block.mask_path),
        )
        for block in recipe.data
    ]
    return replace(
        recipe,
        data=tuple(data),
        model=replace(recipe.model, base=_shown(recipe.model.base), vae=_end(recipe.model.vae)),
        lora=replace(recipe.lora, init_from=_end(recipe.lora.init_from)),
        validate=replace(recipe.validate, path=_end(recipe.validate.path)),
        output=replace(recipe.output, folder=_end(recipe.output.folder)),
    )


def _end(path: str | None) -> str | None:
    return Path(path).name if path is not None and path.startswith(("/", "~")) else path


def _shown(base: str) -> str:
    """A path of the user's is theirs: only its end is shown."""
    return base if hub.is_name(base) else base_name(base)


def _code(language: str, text: str) -> str:
    """A fence longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
