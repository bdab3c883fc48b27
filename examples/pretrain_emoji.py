"""Pretrain the shipped model: a tiny Stable Diffusion of Fluent flat emoji, 64x64.

The pictures are Microsoft's Fluent emoji (MIT), as SVG in an npm package:

    npm pack @iconify-json/fluent-emoji-flat && tar xzf iconify-json-fluent-emoji-flat-*.tgz
    pip install cairosvg
    python examples/pretrain_emoji.py package/icons.json emoji

About half an hour for the autoencoder and an hour for the U-Net on two CPU cores; minutes on a GPU.
The autoencoder is saved when it is done and found again by the next call.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel, compute_snr
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SIZE = 64
MAX_TOKENS = 24
CATEGORIES = (
    "Activities",
    "Animals & Nature",
    "Food & Drink",
    "Objects",
    "Smileys & Emotion",
    "Travel & Places",
)
LEFT_OUT = ("oclock", "thirty", "button", "sign", "keycap", "flag", "skin-tone")
# Several wordings of one name: the text encoder learns to read past words that say nothing about
# the subject, so a LoRA may bring its own trigger word without the picture falling apart.
TEMPLATES = (
    "{}",
    "{}",
    "{}",
    "an emoji of {}",
    "a {} emoji",
    "{}, flat colours",
    "a drawing of {}",
    "{} icon in a simple style",
)
SHOWN = (
    "cat face", "rocket", "red apple", "green heart", "grinning face", "evergreen tree",
    "house", "tropical fish", "blue book", "pizza", "sun", "an emoji of dog face",
)  # fmt: skip


@dataclass(frozen=True)
class Emoji:
    """The pictures and their names."""

    names: list[str]
    """One name a picture, with spaces: `cat face`."""
    pixels: torch.Tensor
    """[n, 3, 64, 64] in -1..1."""


def main() -> None:
    """Run the stages that are not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("icons", type=Path, help="icons.json of @iconify-json/fluent-emoji-flat")
    parser.add_argument("out", type=Path, help="folder for the model")
    parser.add_argument("--vae-steps", type=int, default=5000)
    parser.add_argument("--unet-steps", type=int, default=6500)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    emoji = render(args.icons)
    print(f"{len(emoji.names)} pictures on {device}", flush=True)
    tokenizer = make_tokenizer(emoji.names)
    vae = make_vae(emoji.pixels, args.out / "vae", args.vae_steps, device)
    unet, text_encoder = make_unet(emoji, tokenizer, vae, args.unet_steps, device)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_noise_schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    show(pipeline, args.out / "samples.png")
    pipeline.to(dtype=torch.float16).save_pretrained(args.out)


def render(icons_file: Path) -> Emoji:
    """Every emoji that has a subject of its own, drawn on white."""
    import cairosvg

    icons = json.loads(icons_file.read_text())["icons"]
    categories = json.loads(icons_file.with_name("metadata.json").read_text())["categories"]
    names = [name for category in CATEGORIES for name in categories[category]]
    names = [n for n in names if n in icons and not any(word in n for word in LEFT_OUT)]
    pixels = []
    for name in names:
        body = icons[name]["body"]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{body}</svg>'
        png = cairosvg.svg2png(
            svg.encode(), output_width=SIZE, output_height=SIZE, background_color="white"
        )
        pixels.append(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")))
    stack = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return Emoji([name.replace("-", " ") for name in names], stack)


def make_tokenizer(names: list[str]) -> CLIPTokenizer:
    """A byte-level BPE in CLIP's shape, trained on every wording of every name."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2200,
        end_of_word_suffix="</w>",
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
    )
    bpe.train_from_iterator([t.format(n) for t in set(TEMPLATES) for n in names], trainer)
    state = json.loads(bpe.to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in state["merges"]]
    with tempfile.TemporaryDirectory() as folder:
        vocab_file, merges_file = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocab_file.write_text(json.dumps(state["vocab"]))
        merges_file.write_text("\n".join(["#version: 0.2", *merges]) + "\n")
        return CLIPTokenizer(str(vocab_file), str(merges_file), model_max_length=MAX_TOKENS)


def make_vae(pixels: torch.Tensor, folder: Path, steps: int, device: torch.device) -> AutoencoderKL:
    """Train the autoencoder: 64x64x3 to 8x8x8 and back."""
    if (folder / "config.json").exists():
        return AutoencoderKL.from_pretrained(folder).to(device)
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 64, 128),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=SIZE,
    ).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=200, num_training_steps=steps)
    started = time.monotonic()
    for step in range(steps):
        batch = augment(pixels[torch.randint(len(pixels), (16,))]).to(device)
        posterior = vae.encode(batch.contiguous(memory_format=torch.channels_last)).latent_dist
        drawn = vae.decode(posterior.sample()).sample
        loss = reconstruction_loss(drawn, batch) + 1e-4 * posterior.kl().mean() / 512
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        report("vae", step, loss, started)
    with torch.no_grad():
        latents = torch.cat([vae.encode(p.to(device)).latent_dist.mean for p in pixels.split(64)])
    vae.register_to_config(scaling_factor=1.0 / latents.std().item())
    vae.save_pretrained(folder)
    return vae


def augment(batch: torch.Tensor) -> torch.Tensor:
    """Flips, swapped colours and grey pictures: the decoder must carry every colour, and none."""
    if random.random() < 0.5:
        batch = batch.flip(3)
    batch = torch.stack([p[torch.randperm(3)] if random.random() < 0.5 else p for p in batch])
    grey = torch.rand(len(batch), 1, 1, 1) < 0.15
    batch = torch.where(grey, batch.mean(1, keepdim=True), batch)
    shift = (random.randint(-4, 4), random.randint(-4, 4))
    padded = F.pad(batch, (4, 4, 4, 4), value=1.0)
    return padded[:, :, 4 + shift[0] : 68 + shift[0], 4 + shift[1] : 68 + shift[1]]


def reconstruction_loss(drawn: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Squared and absolute error, and the absolute error of the edges in both directions."""
    error = drawn - wanted
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return error.square().mean() + 0.5 * error.abs().mean() + 0.5 * edges


def make_noise_schedule() -> DDIMScheduler:
    """Stable Diffusion 1's own schedule."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def new_unet() -> UNet2DConditionModel:
    """11.7 M parameters, cross-attention in the lower two levels."""
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=8,
        out_channels=8,
        block_out_channels=(96, 128, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=128,
        norm_num_groups=16,
    )


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """0.9 M parameters in CLIP's shape."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            projection_dim=128,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def make_unet(
    emoji: Emoji,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderKL,
    steps: int,
    device: torch.device,
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Train U-Net and text encoder together on noised latents: epsilon, min-SNR 5, EMA 0.999."""
    unet = new_unet().to(device, memory_format=torch.channels_last)
    text_encoder = new_text_encoder(tokenizer).to(device)
    weights = [*unet.parameters(), *text_encoder.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=8e-4, weight_decay=1e-2)
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=200, num_training_steps=steps)
    ema = EMAModel(weights, decay=0.999, use_ema_warmup=True, power=0.75)
    noising = make_noise_schedule()
    mean, std = encode(emoji.pixels, vae, device)
    started = time.monotonic()
    for step in range(steps):
        rows = torch.randint(len(emoji.names), (64,))
        side = (torch.rand(64) < 0.5).long()
        latents = (mean[side, rows] + std[side, rows] * torch.randn(64, 8, 8, 8)).to(device)
        latents = latents * vae.config.scaling_factor
        noise = torch.randn_like(latents)
        timesteps = torch.randint(1000, (64,), device=device)
        words = text_encoder(read(tokenizer, [wording(emoji.names[i]) for i in rows]).to(device))[0]
        noisy = noising.add_noise(latents, noise, timesteps)
        guess = unet(noisy.contiguous(memory_format=torch.channels_last), timesteps, words).sample
        snr = compute_snr(noising, timesteps)
        per_picture = F.mse_loss(guess, noise, reduction="none").mean(dim=(1, 2, 3))
        loss = (per_picture * snr.clamp(max=5) / snr).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        ema.step(weights)
        report("unet", step, loss, started)
    ema.copy_to(weights)
    return unet, text_encoder


@torch.no_grad()
def encode(
    pixels: torch.Tensor, vae: AutoencoderKL, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Posterior mean and std of the pictures and their mirror images, [2, n, 8, 8, 8] each."""
    sides = [
        [vae.encode(p.to(device)).latent_dist for p in side.split(64)]
        for side in (pixels, pixels.flip(3))
    ]
    mean = torch.stack([torch.cat([d.mean.cpu() for d in side]) for side in sides])
    std = torch.stack([torch.cat([d.std.cpu() for d in side]) for side in sides])
    return mean, std


def wording(name: str) -> str:
    """The name in one of its wordings, or nothing one time in ten."""
    return "" if random.random() < 0.1 else random.choice(TEMPLATES).format(name)


def read(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token ids, [n, 24]."""
    return tokenizer(
        captions, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids


def report(stage: str, step: int, loss: torch.Tensor, started: float) -> None:
    """A line every hundred steps."""
    if step % 100 == 0:
        seconds = time.monotonic() - started
        print(f"{stage} {step} loss {loss.item():.4f} {seconds:.0f} s", flush=True)


def show(pipeline: StableDiffusionPipeline, file: Path) -> None:
    """A sheet of twelve pictures, to look at."""
    pipeline.set_progress_bar_config(disable=True)
    pictures = pipeline(
        list(SHOWN),
        height=SIZE,
        width=SIZE,
        guidance_scale=4.0,
        num_inference_steps=25,
        generator=torch.Generator().manual_seed(1),
    ).images
    sheet = Image.new("RGB", (6 * SIZE, 2 * SIZE))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % 6 * SIZE, i // 6 * SIZE))
    sheet.resize((12 * SIZE, 4 * SIZE), Image.Resampling.NEAREST).save(file)


if __name__ == "__main__":
    main()
