"""Describe a video or a model folder, and whether it can be used."""

import json
from math import prod
from pathlib import Path
from typing import Any

from cinefoley.errors import CinefoleyError, WeightsError

__all__ = ["describe_bundled_models", "describe_encoder", "describe_model", "describe_video"]

_LOADED_IF_THERE = ("video_encoder_student", "guidance_classifier")
_NOTHING: dict[str, Any] = {"parameters": 0, "dtypes": [], "bytes": 0, "sha256": {}, "problem": None}


def describe_video(path: Path) -> dict[str, Any]:
    """Streams of a video, and the windows that ``generate`` would divide it into.

    Raises:
        MediaError: If it cannot be used.
    """
    from cinefoley.config.foley import FoleyConfig
    from cinefoley.config.presets import lite
    from cinefoley.media.muxing.replace_audio import fitting_suffixes
    from cinefoley.media.probe import probe
    from cinefoley.media.timing import video_duration
    from cinefoley.pipelines.loading import resolve_model

    info = probe(path)
    duration_s = video_duration(path)  # raises VideoError without a video stream
    folder = resolve_model("lite")
    config = FoleyConfig.load(folder) if (folder / FoleyConfig.FILE_NAME).is_file() else lite().foley
    video, audio = info.video, info.audio
    assert video is not None
    return {
        "path": str(path),
        "container": info.container,
        "duration_s": duration_s,
        "video": {
            "codec": video.codec,
            "width": video.width,
            "height": video.height,
            "fps": float(video.average_rate) if video.average_rate else None,
            "pixel_format": video.pixel_format,
            "bit_depth": video.bit_depth,
            "rotation": video.rotation,
        },
        "audio": audio
        and {"codec": audio.codec, "sample_rate": audio.sample_rate, "channels": audio.channels},
        "takes_suffix": fitting_suffixes(path)[0],
        "num_windows": _count_windows(duration_s, config),
        "window_s": config.window_s,
    }


def describe_model(folder: Path) -> dict[str, Any]:
    """Parts of a model folder with their parameters, number formats and digests, without loading weights.

    Raises:
        WeightsError: If it is not a model folder.
    """
    from cinefoley.models.folder import PARTS, load_foley_config

    config = load_foley_config(folder)
    names = [*PARTS, *(path.name for path in sorted(folder.iterdir()) if _is_extra_part(path, set(PARTS)))]
    parts = {name: _describe_part(folder / name) for name in names}
    if not (folder / "scheduler" / "scheduler_config.json").is_file():
        parts["scheduler"] = _NOTHING | {"problem": "no scheduler_config.json"}
    return {
        "path": str(folder),
        "window_s": config.window_s,
        "frames": config.video_frames,
        "fps": config.video_fps,
        "frame_choice": config.frame_choice,
        "frame_size": list(config.frame_size),
        "sample_rate": config.mel.sample_rate,
        "parts": parts,
    }


def describe_encoder(folder: Path) -> dict[str, Any] | None:
    """A video encoder in its own folder or in a run folder of ``distill``; None if there is none.

    Its weights are not loaded.
    """
    for place in (folder, folder / "video_encoder"):
        try:
            config = json.loads((place / "config.json").read_text())
        except (OSError, ValueError):
            continue
        if isinstance(config, dict) and config.get("_class_name") == "VideoEncoder":
            return {"path": str(place), **_describe_part(place)}
    return None


def describe_bundled_models() -> dict[str, dict[str, Any]]:
    """Every bundled model; ``problem`` is the reason why one cannot be loaded, or None."""
    from cinefoley.pipelines.loading import BUNDLED, resolve_model

    models: dict[str, dict[str, Any]] = {}
    for name in BUNDLED:
        try:
            model = describe_model(resolve_model(name))
        except CinefoleyError as exc:
            models[name] = {"problem": str(exc)}
            continue
        problems = [
            f"{part}: {entry['problem']}" for part, entry in model["parts"].items() if entry["problem"]
        ]
        models[name] = model | {"problem": "; ".join(problems) or None}
    return models


def _count_windows(duration_s: float, config: Any) -> int:
    from cinefoley.pipelines.windows import OVERLAP_S, plan_windows

    rate = config.mel.sample_rate
    total = max(1, round(duration_s * rate))
    return len(plan_windows(total, window=config.window_samples, overlap=round(OVERLAP_S * rate)))


def _is_extra_part(path: Path, known: set[str]) -> bool:
    is_loaded = path.is_dir() and path.name in _LOADED_IF_THERE
    return path.name not in known and (is_loaded or any(path.glob("*.safetensors")))


def _describe_part(folder: Path) -> dict[str, Any]:
    from cinefoley.pipelines.takes.model_record import file_sha256

    files = sorted(folder.glob("*.safetensors"))
    part: dict[str, Any] = _NOTHING | {"sha256": {}}
    try:
        if not folder.is_dir() or not files:
            raise WeightsError("no weights" if folder.is_dir() else "no such folder")
        json.loads((folder / "config.json").read_text())
        for file in files:
            parameters, dtypes = _read_header(file)
            part["parameters"] += parameters
            part["dtypes"] = sorted({*part["dtypes"], *dtypes})
            part["bytes"] += file.stat().st_size
            part["sha256"][file.name] = file_sha256(file)
    except (WeightsError, OSError, ValueError) as exc:
        part["problem"] = f"config.json: {exc.strerror}" if isinstance(exc, OSError) else str(exc)
    return part


def _read_header(file: Path) -> tuple[int, set[str]]:
    """Number of parameters and number formats, from the file's header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            slices = [tensors.get_slice(key) for key in tensors.keys()]  # noqa: SIM118  # no iterable of its own
            return sum(prod(piece.get_shape()) for piece in slices), {piece.get_dtype() for piece in slices}
    except SafetensorError as exc:
        raise WeightsError(f"{file.name} is damaged ({exc})") from exc
