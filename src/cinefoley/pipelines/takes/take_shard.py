"""Take shard: generate the takes of some videos into one tar file, with a record of everything in it."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cinefoley.data.json_lines import Record, json_digest, write_json
from cinefoley.data.parallel import one_thread
from cinefoley.data.shards.archive import TarWriter, escaped_key
from cinefoley.data.shards.take_shards import TakeShardLayout, read_shard_record
from cinefoley.errors import MediaError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.files.claims import claimed
from cinefoley.media.files.staging import staging_folder
from cinefoley.pipelines.takes.files import TakeFiles, mel_path
from cinefoley.pipelines.takes.model_choice import loaded_in_worker
from cinefoley.pipelines.takes.model_record import ModelRecord
from cinefoley.pipelines.takes.stream import TakeStream
from cinefoley.pipelines.takes.take_job import TakeJob, skipped_line
from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["TakeShard", "describe_takes", "is_finished", "make_shard"]

_FORMAT = 1  # raise when the same settings would give other bytes
_OF_FILES_ONLY = {"overwrites", "writes_video", "saves_mel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeShard:
    """One shard to be made."""

    name: str
    """Without suffix."""
    videos: tuple[VideoSource, ...]
    """The videos whose takes it contains."""
    inputs: str
    """SHA-256 over all that decides its content."""

    def __len__(self) -> int:
        return len(self.videos)

    @classmethod
    def of(cls, name: str, videos: tuple[VideoSource, ...], takes: Record) -> "TakeShard":
        """A shard with its digest.

        Args:
            name: Without suffix.
            videos: The videos.
            takes: What :func:`describe_takes` returned.
        """
        identities: list[Any] = []
        for video in videos:
            known: list[Any] | None = None
            with suppress(MediaError):  # a missing video, which the ledger will name
                known = video.identity()
            identities.append([video.path.stem, known])
        return cls(name=name, videos=videos, inputs=json_digest([takes, identities]))


def describe_takes(job: TakeJob, model: ModelRecord) -> Record:
    """Settings and weights of the takes in a folder of shards: JSON values."""
    settings = {key: value for key, value in asdict(job.settings).items() if key not in _OF_FILES_ONLY}
    content: Record = json.loads(
        json.dumps({"format": _FORMAT, "settings": settings, "model": asdict(model)})
    )
    return content


def is_finished(layout: TakeShardLayout, shard: TakeShard) -> bool:
    """Whether a shard exists, complete and of the same inputs."""
    record = read_shard_record(layout, shard.name)
    return record is not None and record["inputs"] == shard.inputs


def make_shard(job: TakeJob, shard: TakeShard) -> int:
    """Generate a shard, unless it is finished. Returns its number of videos.

    For each video it contains ``NAME.json``, enough to generate its takes again, and ``NAME.takeK.flac``
    and ``NAME.takeK.mel.npy`` for each take. The bytes are the same whoever generates it. Shard and record
    are written atomically, the shard first. If another process is generating it, this waits.

    Raises:
        WeightsError: If the model cannot be used.
        DeviceError: If its device cannot be used.
        OutputError: If it cannot be written.
    """
    layout = TakeShardLayout(job.out)
    with claimed(layout.shards, f"make {shard.name}"):
        if not is_finished(layout, shard):
            with staging_folder(layout.shards) as staging, one_thread():
                _make(job, shard, layout, staging)
    return len(shard)


def _make(job: TakeJob, shard: TakeShard, layout: TakeShardLayout, staging: Path) -> None:
    members: list[tuple[str, int, int, str]] = []
    clips: list[Record] = []
    rows: list[Record] = []
    path = staging / f"{shard.name}.tar"
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        writer = TarWriter(file)
        for video in shard.videos:
            began = time.perf_counter()
            folder = staging / "takes"
            folder.mkdir()
            try:
                takes, record = _generate(job, video, folder)
            except Exception as exc:
                rows.append(skipped_line(video, exc) | {"shard": None})
            else:
                for name, content in _contents(video.path.stem, takes, record):
                    begin = writer.append(name, content)
                    members.append((name, begin, len(content), hashlib.sha256(content).hexdigest()))
                numbers = [take.take for take in takes]
                clips.append({"name": video.path.stem, "takes": numbers})
                line = {"film": str(video.path), "outcome": "made", "message": None, "takes": numbers}
                seconds = round(time.perf_counter() - began, 3)
                rows.append(line | {"shard": shard.name, "seconds": seconds})
            shutil.rmtree(folder)
        size, digest = writer.close()
    tar = None
    if clips:
        path.replace(layout.tar(shard.name))
        tar = {"bytes": size, "sha256": digest}
    record = {"inputs": shard.inputs, "tar": tar, "members": members, "clips": clips, "rows": rows}
    write_json(staging / "record.json", record)
    (staging / "record.json").replace(layout.record(shard.name))


def _generate(job: TakeJob, video: VideoSource, folder: Path) -> tuple[list[TakeFiles], Record]:
    video.check()  # a video that cannot be used fails before the model is loaded
    model = loaded_in_worker(job.model)
    stream = TakeStream.of(model.pipeline, video, job.settings, model.record)
    sounds = [(take, folder / f"take{take}.flac") for take in range(1, job.settings.num_takes + 1)]
    planned = [TakeFiles(take=take, wav=path, video=None, mel=mel_path(path)) for take, path in sounds]
    takes = stream.write(planned)
    return takes, {key: value for key, value in stream.record.items() if key != "timings_s"}


def _contents(stem: str, takes: list[TakeFiles], record: Record) -> Iterator[tuple[str, bytes]]:
    """Name and content of each member; all of one video share its name up to the first dot."""
    key = escaped_key(stem)
    described = [take.describe() | {"wav": f"{key}.{take.wav.name}"} for take in takes]
    for entry, take in zip(described, takes, strict=True):
        entry["mel"] = f"{key}.{mel_path(take.wav).name}"
    yield f"{key}.json", json.dumps(record | {"takes": described}, ensure_ascii=False).encode()
    for take in takes:
        for path in (take.wav, mel_path(take.wav)):
            yield f"{key}.{path.name}", path.read_bytes()
