"""Sample source: exact numbers of samples from a stream of blocks."""

from collections.abc import Iterable

import numpy as np

from cinefoley.media.audio.reader import Samples

__all__ = ["SampleSource"]


class SampleSource:
    """Gives exact numbers of samples from a stream of blocks; silence follows where the stream ends.

    Args:
        blocks: ``(channels, N_i)``.
        channels: Their channels.
    """

    def __init__(self, blocks: Iterable[Samples], channels: int = 1) -> None:
        self._blocks = iter(blocks)
        self._held = np.zeros((channels, 0), np.float32)

    def take(self, length: int) -> Samples:
        """The next ``length`` samples, ``(channels, length)``."""
        parts = []
        while length > 0:
            if not self._held.shape[1]:
                more = next(self._blocks, None)
                if more is None:
                    parts.append(np.zeros((len(self._held), length), np.float32))
                    break
                self._held = more
            parts.append(self._held[:, :length])
            self._held = self._held[:, length:]
            length -= parts[-1].shape[1]
        return np.concatenate(parts, axis=1) if parts else self._held[:, :0]

    def skip(self, length: int) -> None:
        """Leave out the next ``length`` samples, block by block."""
        while length > self._held.shape[1]:
            length -= self._held.shape[1]
            more = next(self._blocks, None)
            self._held = self._held[:, :0] if more is None else more
            if more is None:
                return
        self._held = self._held[:, length:]
