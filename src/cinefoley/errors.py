"""Exceptions of cinefoley; all are subclasses of ``CinefoleyError``.

::

    CinefoleyError                      a problem that a user can solve; the CLI prints one line and exits 1
    ├── MediaError                      a video or audio file
    │   ├── VideoError                  not a video, no video stream, no frame that decodes
    │   └── AudioError                  not an audio file, an unsupported format, no samples
    ├── DataError                       a split CSV, or a dataset made from one
    ├── OutputError                     a path that cannot be written, or a full disk
    ├── WeightsError                    a model folder or checkpoint
    │   ├── MissingWeightsError         a name, a folder or a part that does not exist
    │   └── CheckpointMismatchError     keys, shapes or values that do not match
    ├── DependencyError                 a package that a feature needs is missing or too old
    ├── DeviceError                     a device this process does not see
    ├── StudyError                      a preference study's file, videos or votes
    │   └── VoteRefusedError            a participant's vote or other action that breaks the rules
    └── RunInterrupted                  stopped by a signal; the message says how to resume

Programming mistakes stay ``ValueError`` and ``TypeError``.
"""

from typing import Literal

__all__ = [
    "AudioError",
    "CheckpointMismatchError",
    "CinefoleyError",
    "DataError",
    "DependencyError",
    "DeviceError",
    "MediaError",
    "MediaWarning",
    "MissingWeightsError",
    "OutputError",
    "RefusalReason",
    "RunInterrupted",
    "StudyError",
    "VideoError",
    "VoteRefusedError",
    "WeightsError",
]


RefusalReason = Literal["unknown", "early", "taken", "closed", "invalid"]
"""No such participant or trial; before its turn; answered already; after the end; not an answer."""


class CinefoleyError(Exception):
    """Base of all errors below; its message says what was found, what was expected, and what to do next."""


class MediaError(CinefoleyError):
    """A media file cannot be used."""


class VideoError(MediaError):
    """A file has no frame that can be decoded."""


class AudioError(MediaError):
    """A file has no audio that can be decoded, or its format is not supported."""


class DataError(CinefoleyError):
    """A split CSV, or a dataset made from one, cannot be used."""


class OutputError(CinefoleyError):
    """An output cannot be written: no such folder, no permission, or no space left."""


class WeightsError(CinefoleyError):
    """A model folder or checkpoint cannot be used."""


class MissingWeightsError(WeightsError):
    """A model name, folder, or part of a folder does not exist."""


class CheckpointMismatchError(WeightsError):
    """Keys, shapes or values of a checkpoint do not match the model."""


class DependencyError(CinefoleyError):
    """A package that a feature needs is not installed, or too old for it."""


class DeviceError(CinefoleyError):
    """A device is not visible to this process."""


class StudyError(CinefoleyError):
    """A preference study's file, its videos or its votes cannot be used."""


class VoteRefusedError(StudyError):
    """A participant's vote or other action is not accepted."""

    def __init__(self, message: str, reason: RefusalReason) -> None:
        super().__init__(message)
        self.reason: RefusalReason = reason
        """Why, for programs."""


class RunInterrupted(CinefoleyError):  # noqa: N818  # a stop asked for by the user, not a fault
    """A long run was stopped by a signal after it saved a checkpoint."""


class MediaWarning(UserWarning):
    """A media file is damaged or odd, but usable; the message says how much of it was used."""
