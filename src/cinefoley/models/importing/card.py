"""Model card (README.md) of an imported model folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["write_card"]

_TEXT = """---
license: mit
library_name: cinefoley
pipeline_tag: video-to-audio
---

# Diff-Foley, as a cinefoley model folder

Made by `cinefoley models import` from the public checkpoints of Diff-Foley (Luo, Yan, Hu, Zhao: *Diff-Foley:
Synchronized Video-to-Audio Synthesis with Latent Diffusion Models*, NeurIPS 2023, arXiv 2306.17203).
The weights are those of the source files, stored in {dtype}. Names follow diffusers. Nothing was trained.

- **Data**: the authors trained CAVP on VGGSound and AudioSet, the generator on VGGSound.
- **Licence**: {licence}
- **Origin**: {origin}

| role | file | bytes | SHA-256 |
| --- | --- | --- | --- |
{rows}

```
cinefoley generate video.mp4 --model {folder}
```
"""

_LICENCE = (
    "the page SimianLuo/Diff-Foley on the Hugging Face hub says MIT, the authors' code is Apache-2.0; the "
    "autoencoder is Stable Diffusion v1.4's, whose own licence (CreativeML OpenRAIL-M) may apply to it. "
    "cinefoley does not relicense the weights."
)


def write_card(
    folder: Path, *, sources: Mapping[str, Mapping[str, Any]], dtype: str, origin: str | None
) -> None:
    """Write ``README.md``: source files, digests, licence.

    Args:
        folder: The model folder.
        sources: ``file``, ``bytes`` and ``sha256`` of each source, by role.
        dtype: Dtype of the stored weights.
        origin: Source of the files; None for files on this computer.
    """
    rows = "\n".join(
        f"| {role} | {source['file']} | {source['bytes']:,} | `{source['sha256']}` |"
        for role, source in sources.items()
    )
    text = _TEXT.format(
        dtype=dtype, licence=_LICENCE, origin=origin or "files given by the user", rows=rows, folder="FOLDER"
    )
    (folder / "README.md").write_text(text)
