from pathlib import Path

import torch
from torch.nn import functional as F

from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.stages.audio_previews import preview_takes


def test_previews_are_the_same_as_long_as_the_networks_are(tiny_model: Path) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    features = F.normalize(torch.randn(2, 10, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    options = {"names": ["drum", "rain"], "events_s": [[0.5], []], "num_inference_steps": 2}
    first, second = (preview_takes(pipeline, features, **options) for _ in range(2))  # type: ignore[arg-type]
    assert [sample.name for sample in first] == ["drum", "rain"]
    assert [list(sample.events_s) for sample in first] == [[0.5], []]
    assert first[0].mel.shape == (64, 160)
    assert all(torch.equal(a.mel, b.mel) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0].mel, first[1].mel)
