"""Features and latents that were computed once, keyed by content and by the network that made them."""

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
from cinefoley.data.cache.tensor_files import claimed_cache, read_chunk, write_chunk
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.errors import DataError, OutputError
from cinefoley.models.video_encoder import VideoEncoder

__all__ = [
    "Latents",
    "encode_groups",
    "network_digest",
    "prepare_features",
    "prepare_latents",
]

_FORMAT = 1  # raise when the same network and settings would give other numbers
_NO_MATTER = ("scaling_factor",)  # a model learns it after its autoencoder, and nothing here is scaled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latents:
    """Posteriors of an autoencoder, not scaled; row by row as the windows they are of."""

    means: ChunkedRows
    """``(R, C, h, w)`` float32."""
    stds: ChunkedRows
    """``(R, C, h, w)`` float32."""

    def scaled(self, factor: float) -> "Latents":
        """The same, brought to the scale that a denoiser sees."""
        return Latents(means=self.means.scaled(factor), stds=self.stds.scaled(factor))


def network_digest(network: nn.Module, *, ignoring: Collection[str] = ()) -> str:
    """SHA-256 over a network's configuration and weights, whatever device they are on.

    A network that was trained one step further has another, and so has one of another shape.

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
    """Encode every window's pictures on its own, or map what was encoded before.

    On its own, because a window that is cut out of the features of a longer clip can be told by its borders:
    temporal convolutions see zeros beyond both ends.

    Args:
        windows: What to encode.
        encoder: The video encoder, on the device that computes; put into evaluation for it.
        cache_dir: Where the files go, under ``features-*``: one for each file of clips.
        batch_size: Windows encoded at once; it does not change what is kept, up to rounding.
        on_row: Called with finished and all windows.

    Returns:
        ``(R, T, D)`` float32, unit norm per frame.

    Raises:
        OutputError: If the cache cannot be written. What is finished is kept.
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
    """Encode every window's mel on its own, or map what was encoded before.

    Args:
        windows: What to encode.
        autoencoder: The mel autoencoder, on the device that computes; put into evaluation for it. Its
            ``scaling_factor`` does not enter: see :meth:`Latents.scaled`.
        cache_dir: Where the files go, under ``latents-*``: one for each file of clips.
        batch_size: As for :func:`prepare_features`.
        on_row: Called with finished and all windows.

    Returns:
        Means and standard deviations of the posteriors.

    Raises:
        OutputError: If the cache cannot be written. What is finished is kept.
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
        batch_size: TensorRows encoded at once.
        on_row: Called with finished and all rows.

    Returns:
        Tensors by name for each group that has rows, mapped from their files.

    Raises:
        OutputError: If the cache cannot be written. Finished groups stay in it.
    """
    network.eval()
    folder = cache_dir / f"{kind}-{network_digest(network, ignoring=_NO_MATTER)[:16]}"
    paths = [_file(folder, key) for key, _ in groups]
    done, total = 0, sum(count for _, count in groups)
    with claimed_cache(folder):
        for path, (_, count) in zip(paths, groups, strict=True):
            if count and read_chunk(path) is None:
                rows = torch.arange(done, done + count)
                batches = [encode(batch) for batch in rows.split(batch_size)]
                joined = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
                _write(path, joined, kept=done, total=total)
            done += count
            if on_row is not None:
                on_row(done, total)
    return [_mapped(path) for path, (_, count) in zip(paths, groups, strict=True) if count]


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _file(folder: Path, key: Sequence[Any]) -> Path:
    return folder / f"{hashlib.sha256(json.dumps([_FORMAT, *key]).encode()).hexdigest()[:32]}.safetensors"


def _groups(windows: ClipWindows) -> list[tuple[Sequence[Any], int]]:
    """One group for each file of clips: its key says which, and how the windows lie in it."""
    groups: list[tuple[Sequence[Any], int]] = []
    first = 0
    for name, count in windows.clips.chunks:
        starts = windows.starts[first : first + count]
        shape = [windows.frames.shape[1], windows.mels.shape[2]]
        groups.append(([name, shape, starts.tolist()], count * windows.per_clip))
        first += count
    return groups


def _write(path: Path, tensors: dict[str, Tensor], *, kept: int, total: int) -> None:
    whole = {name: tensor.float().cpu() for name, tensor in tensors.items()}
    try:
        write_chunk(path, whole, {})
    except OutputError as exc:
        raise OutputError(
            f"{exc} {kept} of {total} windows are encoded and kept in {path.parent}; the same command goes "
            "on there once there is space, or name another folder with --cache."
        ) from exc


def _mapped(path: Path) -> dict[str, Tensor]:
    chunk = read_chunk(path)
    if chunk is None:
        raise DataError(
            f"{path}: was there a moment ago and cannot be read. Was the cache cleared? Run again."
        )
    return chunk[0]
