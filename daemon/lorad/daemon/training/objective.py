"""What the adapter is trained for."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def add_noise(
    latents: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    alphas_cumprod: torch.Tensor,
) -> torch.Tensor:
    """Latents at their timesteps, [n, c, h/8, w/8]; DDPM, Ho et al. 2020, equation 4."""
    signal = alphas_cumprod[timesteps].view(-1, 1, 1, 1).to(latents.dtype)
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise


def loss(
    guess: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    alphas_cumprod: torch.Tensor,
    snr_gamma: float,
) -> torch.Tensor:
    """Mean squared error of the guessed noise, weighted by min(snr, gamma)/snr.

    Min-SNR, Hang et al. 2023 (arXiv 2303.09556), for epsilon; a gamma of 0 weighs all alike.
    """
    per_picture = F.mse_loss(guess.float(), noise.float(), reduction="none").mean(dim=(1, 2, 3))
    if snr_gamma == 0:
        return per_picture.mean()
    signal = alphas_cumprod[timesteps].float()
    snr = signal / (1 - signal)
    return (per_picture * snr.clamp(max=snr_gamma) / snr).mean()
