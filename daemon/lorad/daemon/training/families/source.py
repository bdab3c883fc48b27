"""Where the parts of a base model come from: a diffusers folder, or one checkpoint file."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lorad.daemon.training.families import checkpoint_file
from lorad.shared.errors import ModelUnsupported, WrongValue
from lorad.shared.recipe import Model

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """A base model that is here, not loaded yet."""

    model: Model
    folder: Path
    """In diffusers format; with a checkpoint file only its configuration."""
    file: Path | None = None
    """One checkpoint with all the weights."""
    vae: Path | None = None
    """The folder of another VAE."""

    def has(self, part: str) -> bool:
        """Whether the model has a part of that name."""
        named = self.index.get(part)
        return isinstance(named, list) and named[:1] not in ([], [None])

    @functools.cached_property
    def index(self) -> dict[str, Any]:
        """What model_index.json says."""
        return read_index(self.folder, self.model.base)

    def config(self, part: str) -> dict[str, Any]:
        """A part's own configuration."""
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        return read_json(self.folder / part / name, self.model.base)

    def scheduler_config(self) -> dict[str, Any]:
        """The base's noise schedule; a checkpoint file may say that it has another one."""
        config = self.config("scheduler")
        if self.file is not None:
            shapes = checkpoint_file.read_shapes(self.file, self.model.base)
            if checkpoint_file.V_PREDICTION_KEY in shapes:
                config["prediction_type"] = "v_prediction"
            if checkpoint_file.ZERO_SNR_KEY in shapes:
                # Or its last timestep is never sampled: Lin et al. 2023 (2305.08891), section 3.3.
                config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return config

    @property
    def says_prediction(self) -> bool:
        """Whether it is told what the network guesses; a checkpoint file seldom tells."""
        if self.file is None:
            return True
        return checkpoint_file.V_PREDICTION_KEY in checkpoint_file.read_shapes(
            self.file, self.model.base
        )

    def part(self, name: str, kind: Any, dtype: torch.dtype = torch.float32) -> Any:
        """A network with its weights, on the host, in eval mode and not trained.

        Raises:
            ModelUnsupported: some of its weights are not there.
            WrongValue: they are there only as a variant.
            Exception: what the libraries raise for damaged files.
        """
        if self.file is not None and (name != "vae" or self.vae is None):
            part = getattr(self._whole, name)
            missing = {key for key, value in part.named_parameters() if value.is_meta}
            if not missing:
                _cast(part, dtype)
        else:
            part, missing = self._from_folder(name, kind, dtype)
        if missing:
            some = ", ".join(sorted(missing)[:3])
            why = f"its {name} lacks {len(missing)} weights, {some} among them"
            raise ModelUnsupported(base=self.model.base, why=why)
        return part.eval().requires_grad_(False)

    def _from_folder(self, name: str, kind: Any, dtype: torch.dtype) -> tuple[Any, set[str]]:
        folder, variant = self.folder / name, self._variant(name)
        if name == "vae" and self.vae is not None:
            folder, variant = self.vae, None
        loaded: tuple[Any, dict[str, Any]] = kind.from_pretrained(
            folder,
            variant=variant,
            use_safetensors=True,
            output_loading_info=True,
            # The two libraries have different names for it, and both are just changing them.
            **{"dtype" if kind.__module__.startswith("transformers") else "torch_dtype": dtype},
        )
        return loaded[0], set(loaded[1]["missing_keys"])

    def _variant(self, name: str) -> str | None:
        """The recipe's variant, for parts that have it; scheduler and tokenizers have none."""
        files = [path.name for path in (self.folder / name).glob("*.safetensors")]
        wanted = self.model.variant
        if wanted is not None:
            return wanted if any(f".{wanted}." in file for file in files) else None
        # `model.fp16-00001-of-00002.safetensors` is a variant, `model-00001-of-00002` is none.
        variants = {
            match[1] for file in files if (match := re.fullmatch(r"\w+\.(\w+)[.-].*", file))
        } - {"safetensors"}
        if files and variants and not any(map(is_plain, files)):
            some = sorted(variants)[0]
            raise WrongValue(
                key="model.variant",
                why=f'{self.model.base} has its {name} only as {some}; set variant = "{some}"',
            )
        return None

    def pipeline(self) -> Any:
        """All of it as diffusers has it, for whoever saves it again."""
        if self.file is not None:
            return self._whole
        from diffusers import DiffusionPipeline

        return DiffusionPipeline.from_pretrained(self.folder, use_safetensors=True)

    @functools.cached_property
    def _whole(self) -> Any:
        """All parts of the checkpoint file, as diffusers reads it."""
        import diffusers

        diffusers.utils.logging.disable_progress_bar()
        kind = getattr(diffusers, self.index["_class_name"])
        return kind.from_single_file(
            str(self.file), config=str(self.folder), local_files_only=True, **self._without()
        )

    def _without(self) -> dict[str, None]:
        """Parts that are not to be looked for in the checkpoint file."""
        without = ["safety_checker", "feature_extractor", "image_encoder"]
        if not self.has_t5:
            without += ["text_encoder_3", "tokenizer_3"]
        return dict.fromkeys(name for name in without if name in self.index)

    @functools.cached_property
    def has_t5(self) -> bool:
        """Whether there is a third text encoder and the recipe wants it.

        Raises:
            WrongValue: the folder names one and has none.
        """
        if not self.model.text_encoder_3 or not self.has("text_encoder_3"):
            return False
        if self.file is not None:
            keys = checkpoint_file.read_shapes(self.file, self.model.base)
            return checkpoint_file.T5_KEY in keys
        if not any((self.folder / "text_encoder_3").glob("*.safetensors")):
            raise WrongValue(
                key="model.text_encoder_3",
                why=f"the T5 of {self.model.base} is not in its folder; add its files, or set "
                "text_encoder_3 = false to train without it",
            )
        return True

    def digest(self, *parts: str) -> str:
        """Of all files of some parts, names and contents."""
        digest = hashlib.blake2b(digest_size=16)
        for part in parts:
            folder = self.vae if part == "vae" and self.vae is not None else self.folder / part
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.suffix in (".json", ".txt", ".safetensors", ".model"):
                    digest.update(path.name.encode() + _content(path))
        if self.model.variant is not None:
            digest.update(self.model.variant.encode())
        if self.file is not None and not (parts == ("vae",) and self.vae is not None):
            digest.update(self._file_content)
        return digest.hexdigest()

    @functools.cached_property
    def _file_content(self) -> bytes:
        assert self.file is not None
        return _content(self.file)


def _cast(part: Any, dtype: torch.dtype) -> None:
    """In place, but for what its library keeps in fp32: T5 overflows in fp16 otherwise."""
    kept = set(getattr(part, "_keep_in_fp32_modules", None) or ()) if dtype.itemsize == 2 else set()
    for name, parameter in part.named_parameters():
        wanted = torch.float32 if kept & set(name.split(".")) else dtype
        parameter.data = parameter.data.to(wanted)


def _content(path: Path) -> bytes:
    """A file's hash; the hub's cache has it in the name of what a link points to."""
    if path.is_symlink() and SHA256.fullmatch(name := path.resolve().name):
        return bytes.fromhex(name)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def read_index(folder: Path, base: str) -> dict[str, Any]:
    """What a folder's model_index.json says.

    Raises:
        ModelUnsupported: there is none that can be read.
    """
    if not (folder / "model_index.json").is_file():
        raise ModelUnsupported(base=base, why="it has no model_index.json")
    return read_json(folder / "model_index.json", base)


def is_plain(name: str) -> bool:
    """Whether it is loaded where no variant is wanted: `x.fp16.safetensors` is not."""
    return re.match(r"\w+[.-](safe|\d)", name) is not None


def read_json(path: Path, base: str) -> dict[str, Any]:
    """A JSON object of the model's.

    Raises:
        ModelUnsupported: there is none at that path.
    """
    name = f"{path.parent.name}/{path.name}" if path.name != "model_index.json" else path.name
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnsupported(base=base, why=f"its {name}: {error}") from error
    if not isinstance(value, dict):
        raise ModelUnsupported(base=base, why=f"its {name} is a {type(value).__name__}")
    return value
