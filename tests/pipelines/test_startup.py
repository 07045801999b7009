import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from cinefoley.pipelines.startup import without_unused_imports

with without_unused_imports():
    from cinefoley.pipelines.foley import FoleyPipeline
    pipeline = FoleyPipeline.from_pretrained(sys.argv[1])
import torch
frames = torch.zeros(1, 4, 3, 32, 32)
pipeline(frames, num_inference_steps=1)
print(*({"torch._dynamo", "scipy.stats"} & set(sys.modules)))

import scipy.stats
print(scipy.stats.norm.cdf(0))
print(torch.compile(lambda number: number + 1, backend="eager")(torch.ones(1)).item())
with without_unused_imports():
    import torch._dynamo
    print(hasattr(torch._dynamo, "OptimizedModule"), hasattr(scipy.stats, "norm"))
"""


def test_what_generation_does_not_use_is_not_loaded_and_works_afterwards(tiny_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_model)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", "0.5", "2.0", "True True"]
