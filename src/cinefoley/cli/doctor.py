"""``cinefoley doctor``: check this machine, a video or a model folder."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import print_json
from cinefoley.errors import CinefoleyError

__all__ = ["doctor"]


def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Video, model folder, or folder of a video encoder to check."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check this machine, a video or a model folder.

    Without FILE, report what this machine can run and which packages are missing.
    """
    if file is None:
        report, lines = _machine()
    elif file.is_dir():
        report, lines = _encoder(file) or _model(file)
    else:
        report, lines = _video(file)
    if as_json:
        print_json(report)
    else:
        typer.echo("\n".join(lines))
    if report.get("problem"):
        raise CinefoleyError(report["problem"])


def _machine() -> tuple[dict[str, Any], list[str]]:
    from cinefoley.cli.inspection import describe_bundled_models
    from cinefoley.cli.machine import describe_machine

    report = describe_machine() | {"models": describe_bundled_models()}
    return report, list(_machine_lines(report))


def _machine_lines(report: dict[str, Any]) -> Iterator[str]:
    for name, version in report["versions"].items():
        yield _line(name, version)
    for device in report["devices"]:
        about = [device["precision"], device.get("model"), _gib(device.get("memory_gib"))]
        yield _line(f"device {device['name']}", ", ".join(filter(None, about)))
    cpu, memory = report["cpu"], report["memory_gib"]
    yield _line(
        "processor", f"{cpu['model']}, {cpu['cores']} cores, {cpu['threads']} threads, {cpu['vectors']}"
    )
    speed = f", {'faster' if cpu['has_fast_bf16'] else 'slower'} than fp32" if cpu["has_native_bf16"] else ""
    yield _line("native bf16", f"{_yes(cpu['has_native_bf16'])}{speed} (AMX: {_yes(cpu['has_amx'])})")
    yield _line("memory", f"{_gib(memory['available'])} free of {_gib(memory['total'])}")
    yield _line("disk", f"{_gib(report['disk']['free_gib'])} free in {report['disk']['folder']}")
    allocator = report["allocator"]
    settings = " ".join(f"{key}={value}" for key, value in allocator["settings"].items())
    reuse = "reuses" if allocator["keeps_freed_memory"] else "may return"
    yield _line(
        "allocator", f"{allocator['name']}, {reuse} freed memory{', ' + settings if settings else ''}"
    )
    if allocator["advice"]:
        yield _line("", f"every cinefoley command sets this; in Python, call {allocator['advice']}")
    for name, model in report["models"].items():
        yield _line(f"model {name}", model["problem"] or f"ready, {_parameters(model)}")
    for name, extra in report["extras"].items():
        missing = ", ".join(extra["missing"])
        yield _line(f"extra [{name}]", f"missing {missing}: {extra['install']}" if missing else "complete")


def _video(path: Path) -> tuple[dict[str, Any], list[str]]:
    from cinefoley.cli.inspection import describe_video

    report = describe_video(path)
    video, audio = report["video"], report["audio"]
    rate = f"{video['fps']:.3f} fps" if video["fps"] else "unknown rate"
    turned = f", rotated by {video['rotation']} degrees" if video["rotation"] else ""
    sound = f"{audio['codec']}, {audio['sample_rate']} Hz, {audio['channels']} channels" if audio else "none"
    windows = f"{report['num_windows']} of {report['window_s']:g} s with the model lite"
    lines = [
        _line("file", report["path"]),
        _line("container", report["container"]),
        _line(
            "video stream",
            f"{video['codec']}, {video['width']}x{video['height']}, {rate}, {video['pixel_format']}{turned}",
        ),
        _line("audio stream", sound),
        _line("duration", f"{report['duration_s']:.3f} s"),
        _line(
            "generate",
            f"yes: writes {path.stem}.take1.wav and {path.stem}.take1{report['takes_suffix']}",
        ),
        _line("windows", windows),
    ]
    return report, lines


def _encoder(folder: Path) -> tuple[dict[str, Any], list[str]] | None:
    from cinefoley.cli.inspection import describe_encoder

    is_model = (folder / "model_index.json").is_file() or (folder / "unet").is_dir()
    encoder = None if is_model else describe_encoder(folder)
    if encoder is None:
        return None
    lines = [
        _line("video encoder", encoder["path"]),
        _line("weights", encoder["problem"] or _weights(encoder)),
        _line("generate", f"yes: pass it with --video-encoder {shlex.quote(encoder['path'])}"),
    ]
    problem = f"{encoder['path']}: {encoder['problem']}." if encoder["problem"] else None
    return {"kind": "video encoder"} | encoder | {"problem": problem}, lines[: 2 if problem else None]


def _model(folder: Path) -> tuple[dict[str, Any], list[str]]:
    from cinefoley.cli.inspection import describe_model

    model = describe_model(folder)
    height, width = model["frame_size"]
    frames = f"{model['frames']} frames of {width}x{height} at {model['fps']:g} fps"
    lines = [
        _line("model", model["path"]),
        _line("window", f"{model['window_s']:g} s, {frames}, audio at {model['sample_rate']} Hz"),
    ]
    for name, part in model["parts"].items():
        lines.append(_line(name, part["problem"] or _weights(part)))
    broken = [f"{name}: {part['problem']}" for name, part in model["parts"].items() if part["problem"]]
    return model | {"problem": f"{folder}: {broken[0]}." if broken else None}, lines


def _weights(part: dict[str, Any]) -> str:
    return f"{part['parameters']:,} parameters, {'/'.join(part['dtypes'])}, {part['bytes'] / 2**20:.1f} MiB"


def _parameters(model: dict[str, Any]) -> str:
    return f"{sum(part['parameters'] for part in model['parts'].values()):,} parameters"


def _line(name: str, text: str) -> str:
    return f"{name:<24}{text}"


def _gib(number: float | None) -> str:
    return "" if number is None else f"{number} GiB"


def _yes(claim: bool) -> str:
    return "yes" if claim else "no"
