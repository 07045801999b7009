"""Atomic publishing of takes: the renames that put a complete take in place."""

from pathlib import Path

from cinefoley.errors import OutputError
from cinefoley.pipelines.takes.files import TakeFiles, mel_path

__all__ = ["publish_take"]


def publish_take(take: TakeFiles, out_dir: Path, finished: list[TakeFiles]) -> None:
    """Move a complete take from the staging folder to ``out_dir`` and append it to ``finished``.

    Either all files of the take are moved, or the existing ones stay. An interrupt may come between any two
    calls, so what to undo is read from the disk: a file that has left the staging folder was moved.

    Raises:
        OutputError: If a file cannot be moved.
    """
    target = take.moved_to(out_dir)
    pairs = [(take.video, target.video), (take.mel, target.mel), (take.wav, target.wav)]
    paths = [(source, moved) for source, moved in pairs if source is not None and moved is not None]
    begun: list[tuple[Path, Path, Path | None]] = []
    destination = target.wav
    try:
        for source, destination in paths:
            begun.append((source, destination, _link_to_existing(destination, source.parent)))
            source.replace(destination)
        if target.mel is None:  # the mel of an earlier take would be evaluated in place of this sound
            mel_path(target.wav).unlink(missing_ok=True)
        finished.append(target)
    except BaseException as exc:
        moved = () if target in finished else [entry for entry in begun if not entry[0].exists()]
        for _, put, older in moved:
            put.unlink(missing_ok=True) if older is None else older.replace(put)
        if isinstance(exc, OSError):
            raise OutputError(f"{destination}: cannot be written ({exc.strerror}).") from exc
        raise


def _link_to_existing(path: Path, folder: Path) -> Path | None:
    """Hard link to a file that is about to be replaced; None if there is none, or links are unsupported."""
    link = folder / f"{path.name}.older"
    try:
        link.hardlink_to(path)
    except OSError:
        return None
    return link
