import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from cinefoley.distillation import distillation_loss, distillation_terms


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_features_that_agree_cost_nothing() -> None:
    features = draw(0, 2, 3, 8)
    assert float(distillation_loss(features, features)) == pytest.approx(0, abs=1e-6)


def test_the_docstrings_example() -> None:
    loss = distillation_loss(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]))
    assert float(loss) == 2.0  # cosine distance 1, and (1 + 1) / 2 squared error


def test_it_is_written_as_in_the_paper() -> None:
    """Against sums written out: cosine distance over frames, squared error over all numbers."""
    student, teacher = draw(1, 2, 3, 8).double(), draw(2, 2, 3, 8).double()
    frames = [(s, t) for s, t in zip(student.flatten(0, 1), teacher.flatten(0, 1), strict=True)]
    cosine = sum(1 - float(s @ t / (s.norm() * t.norm())) for s, t in frames) / 6
    squared = sum(float((s - t) @ (s - t)) for s, t in frames) / 48
    assert float(distillation_loss(student, teacher)) == pytest.approx(cosine + squared, rel=1e-12)
    weighed = distillation_loss(student, teacher, cosine_weight=2.0, mse_weight=0.5)
    assert float(weighed) == pytest.approx(2 * cosine + 0.5 * squared, rel=1e-12)


@given(st.integers(0, 1000))
def test_the_order_of_clips_does_not_matter(seed: int) -> None:
    student, teacher = draw(seed, 4, 2, 6), draw(seed + 1, 4, 2, 6)
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    expected = distillation_loss(student, teacher)
    assert torch.allclose(distillation_loss(student[order], teacher[order]), expected)


def test_on_unit_vectors_both_terms_say_the_same() -> None:
    """``|s - t|^2 = 2 - 2 cos``: squared error is the cosine distance times 2 / D."""
    student, teacher = (F.normalize(draw(seed, 3, 4, 16), dim=-1) for seed in (3, 4))
    cosine, squared = distillation_terms(student, teacher)
    assert float(squared) == pytest.approx(float(cosine) * 2 / 16, rel=1e-5)


def test_a_frame_of_zeros_has_cosine_distance_one() -> None:
    cosine, _ = distillation_terms(torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
    assert float(cosine) == 1.0


def test_no_gradient_flows_into_the_teacher() -> None:
    student, teacher = draw(5, 1, 2, 4).requires_grad_(), draw(6, 1, 2, 4).requires_grad_()
    distillation_loss(student, teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_a_step_along_the_gradient_brings_them_closer() -> None:
    student, teacher = draw(7, 2, 3, 8).requires_grad_(), draw(8, 2, 3, 8)
    before = distillation_loss(student, teacher)
    (slope,) = torch.autograd.grad(before, student)
    assert float(distillation_loss(student.detach() - 0.1 * slope, teacher)) < float(before.detach())


def test_halves_are_compared_in_single_precision() -> None:
    teacher = F.normalize(draw(9, 1, 4, 512), dim=-1)
    student = F.normalize(teacher + 0.01 * draw(10, 1, 4, 512), dim=-1)
    with torch.autocast("cpu", torch.bfloat16):
        inside = distillation_loss(student, teacher)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, distillation_loss(student, teacher))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(1, 2, 4\) and \(1, 2, 8\)"):
        distillation_loss(torch.zeros(1, 2, 4), torch.zeros(1, 2, 8))
