"""Feature cache: video features and latents, keyed by clip content and network weights."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from cinefoley.data.cache.clip_windows import ClipWindows
from cinefoley.data.cache.content_cache import cached_chunks
from cinefoley.data.cache.tensor_files import write_chunk
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.data.json_lines import json_digest
from cinefoley.models.video_encoder import VideoEncoder

__all__ = [
    "Latents",
    "encode_groups",
    "network_digest",
    "prepare_features",
    "prepare_latents",
]

_FORMAT = 1  # raise when the same network and settings would give other numbers
_NO_MATTER = ("scaling_factor",)  # set after the autoencoder is trained; cached latents are not scaled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latents:
    """Posteriors of an autoencoder, not scaled; one row for each window."""

    means: ChunkedRows
    """``(R, C, h, w)`` float32."""
    stds: ChunkedRows
    """``(R, C, h, w)`` float32."""

    def scaled(self, factor: float) -> "Latents":
        """The same at the scale of the denoiser."""
        return Latents(means=self.means.scaled(factor), stds=self.stds.scaled(factor))


def network_digest(network: nn.Module, *, ignoring: Collection[str] = ()) -> str:
    """SHA-256 over a network's configuration and weights, independent of the device.

    It changes with every training step and with the architecture.

    Args:
        network: The network.
        ignoring: Entries of its configuration that do not matter.
    """
    entries = getattr(network, "config", {}).items()
    config = {key: value for key, value in entries if key[0] != "_" and key not in ignoring}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def prepare_features(
    windows: ClipWindows,
    encoder: VideoEncoder,
    cache_dir: Path,
    *,
    batch_size: int = 16,
    on_row: Callable[[int, int], None] | None = None,
) -> ChunkedRows:
    """Encode the frames of every window separately, or map cached features.

    Separately, because features cut out of those of a longer clip differ at the borders, where temporal
    convolutions see zeros.

    Args:
        windows: What to encode.
        encoder: The video encoder, on the device that computes; set to evaluation mode.
        cache_dir: Where the files go, under ``features-*``: one for each file of clips.
        batch_size: Windows encoded at once; changes results by rounding only.
        on_row: Called with finished and all windows, after each file that is made.

    Returns:
        ``(R, T, D)`` float32, unit norm per frame.

    Raises:
        OutputError: If the cache cannot be written. Finished files stay cached.
    """

    def encode(rows: Tensor) -> dict[str, Tensor]:
        video = windows.frames[rows].to(_device(encoder)).float() / 255
        return {"features": encoder(video)}

    chunks = encode_groups(
        "features", encoder, cache_dir, _groups(windows), encode, batch_size=batch_size, on_row=on_row
    )
    return ChunkedRows([chunk["features"] for chunk in chunks])


def prepare_latents(
    windows: ClipWindows,
    autoencoder: AutoencoderKL,
    cache_dir: Path,
    *,
    batch_size: int = 16,
    on_row: Callable[[int, int], None] | None = None,
) -> Latents:
    """Encode the mel of every window separately, or map cached latents.

    Args:
        windows: What to encode.
        autoencoder: The mel autoencoder, on the device that computes; set to evaluation mode. Its
            ``scaling_factor`` is not used: see :meth:`Latents.scaled`.
        cache_dir: Where the files go, under ``latents-*``: one for each file of clips.
        batch_size: As for :func:`prepare_features`.
        on_row: Called with finished and all windows, after each file that is made.

    Returns:
        Means and standard deviations of the posteriors.

    Raises:
        OutputError: If the cache cannot be written. Finished files stay cached.
    """

    def encode(rows: Tensor) -> dict[str, Tensor]:
        mels = windows.mels[rows].to(_device(autoencoder)).float()[:, None]
        channels = autoencoder.config["in_channels"]
        posterior = autoencoder.encode(mels.expand(-1, channels, -1, -1)).latent_dist
        return {"means": posterior.mean, "stds": posterior.std}

    chunks = encode_groups(
        "latents", autoencoder, cache_dir, _groups(windows), encode, batch_size=batch_size, on_row=on_row
    )
    return Latents(
        means=ChunkedRows([chunk["means"] for chunk in chunks]),
        stds=ChunkedRows([chunk["stds"] for chunk in chunks]),
    )


@torch.no_grad()
def encode_groups(
    kind: str,
    network: nn.Module,
    cache_dir: Path,
    groups: Sequence[tuple[Sequence[Any], int]],
    encode: Callable[[Tensor], dict[str, Tensor]],
    *,
    batch_size: int = 16,
    on_row: Callable[[int, int], None] | None = None,
) -> list[dict[str, Tensor]]:
    """Encode rows with a network, group by group, or read what an earlier run encoded.

    Args:
        kind: First part of the folder's name, which ends with the network's digest.
        network: The network that ``encode`` calls; set to evaluation mode.
        cache_dir: Where the files go, under ``KIND-*``: one for each group.
        groups: Key and number of rows of each group, in order. The key holds JSON values: everything beside
            the network that decides the result.
        encode: From numbers of rows, counted over all groups, to tensors with as many rows.
        batch_size: Rows encoded at once.
        on_row: Called with finished and all rows, after each file that is made.

    Returns:
        Tensors by name for each group that has rows, mapped from their files.

    Raises:
        OutputError: If the cache cannot be written. Finished groups stay in it.
    """
    network.eval()
    folder = cache_dir / f"{kind}-{network_digest(network, ignoring=_NO_MATTER)[:16]}"
    files: list[_RowFile] = []
    first = 0
    for key, count in groups:
        name = json_digest([_FORMAT, *key])[:32]
        files.append(_RowFile(path=folder / f"{name}.safetensors", rows=torch.arange(first, first + count)))
        first += count

    def make(file: _RowFile) -> int:
        batches = [encode(batch) for batch in file.rows.split(batch_size)]
        names = batches[0]
        joined = {name: torch.cat([batch[name] for batch in batches]).float().cpu() for name in names}
        write_chunk(file.path, joined, {})
        return len(file)

    filled = [file for file in files if len(file)]
    return [
        tensors for tensors, _ in cached_chunks(filled, make, unit="windows", is_shared=True, on_done=on_row)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowFile:
    """One file of a network's outputs for some rows."""

    path: Path
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _groups(windows: ClipWindows) -> list[tuple[Sequence[Any], int]]:
    """One group for each file of clips, keyed by that file and the places of the windows in it."""
    groups: list[tuple[Sequence[Any], int]] = []
    first = 0
    for name, count in windows.clips.chunks:
        starts = windows.starts[first : first + count]
        shape = [windows.frames.shape[1], windows.mels.shape[2]]
        groups.append(([name, shape, starts.tolist()], count * windows.per_clip))
        first += count
    return groups
