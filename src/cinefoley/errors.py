"""Every error that cinefoley raises on purpose.

::

    CinefoleyError                      something a user can mend; the CLI prints one line and exits 1
    ├── MediaError                      a file of pictures or sound
    │   ├── VideoError                  not a video, no picture stream, no frame that decodes
    │   └── AudioError                  not an audio file, an unsupported format, no samples
    ├── DataError                       a list of clips, or a data set built of one
    ├── OutputError                     a path that cannot be written, a disk that is full
    ├── WeightsError                    a model folder or checkpoint
    │   ├── MissingWeightsError         a name, a folder or a part that is not there
    │   └── CheckpointMismatchError     keys, shapes or values that do not fit
    ├── DependencyError                 a package that a feature needs is missing or too old
    ├── DeviceError                     a device this process does not see
    ├── StudyError                      a preference study's file, films or votes
    │   └── VoteRefusedError            a vote, or another act of a participant, that breaks the rules
    └── RunInterrupted                  stopped by a signal; says how to continue

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
    """A file has no pictures that can be decoded."""


class AudioError(MediaError):
    """A file has no sound that can be decoded, or its format is not supported."""


class DataError(CinefoleyError):
    """A list of clips, or a data set built of one, cannot be used."""


class OutputError(CinefoleyError):
    """An output cannot be written: no such folder, no permission, or no space left."""


class WeightsError(CinefoleyError):
    """A model folder or checkpoint cannot be used."""


class MissingWeightsError(WeightsError):
    """A model name, folder, or part of a folder does not exist."""


class CheckpointMismatchError(WeightsError):
    """Keys, shapes or values of a checkpoint do not fit the model they are meant for."""


class DependencyError(CinefoleyError):
    """A package that a feature needs is not installed, or too old for it."""


class DeviceError(CinefoleyError):
    """A device is not visible to this process."""


class StudyError(CinefoleyError):
    """A preference study's file, its films or its votes cannot be used."""


class VoteRefusedError(StudyError):
    """A vote, or another act of a participant, is not accepted."""

    def __init__(self, message: str, reason: RefusalReason) -> None:
        super().__init__(message)
        self.reason: RefusalReason = reason
        """Why, for programs."""


class RunInterrupted(CinefoleyError):  # noqa: N818  # a stop asked for by the user, not a fault
    """A long run was stopped by a signal after its state was saved."""


class MediaWarning(UserWarning):
    """A media file is damaged or odd, but usable; the message says how much of it was used."""
