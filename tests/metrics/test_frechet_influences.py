"""First-order changes of the Frechet distance, against distances of sets with repeated rows."""

import torch

from cinefoley.metrics.functional.frechet import frechet_distance, frechet_influences


def test_influences_are_what_one_more_copy_of_a_row_changes() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    generated = 0.5 * torch.randn(20, 3, generator=generator, dtype=torch.float64) + 0.3
    copies = 2000  # so many that one more is a small change
    many_real, many_generated = real.repeat(copies, 1), generated.repeat(copies, 1)
    whole = frechet_distance(many_real, many_generated)
    of_real, of_generated = frechet_influences(many_real, many_generated)
    for row in (0, 7):
        more = frechet_distance(torch.cat([many_real, real[row : row + 1]]), many_generated)
        assert torch.isclose((more - whole) * len(many_real), of_real[row], rtol=0.05, atol=0.01)
        more = frechet_distance(many_real, torch.cat([many_generated, generated[row : row + 1]]))
        assert torch.isclose((more - whole) * len(many_generated), of_generated[row], rtol=0.05, atol=0.01)
    assert abs(float(of_real.mean())) < 1e-12


def test_directions_without_variance_count_as_unchanged() -> None:
    flat = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    flat[:, 3] = 1.0
    first, second = frechet_influences(flat, flat + 1)
    assert first.isfinite().all()
    assert second.isfinite().all()
