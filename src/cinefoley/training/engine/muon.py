"""Muon optimiser for modules whose parameters are not all matrices."""

from typing import Any

import torch
from torch import Tensor, nn

from cinefoley.errors import DependencyError

__all__ = ["MuonWithAdamW", "check_muon"]


def check_muon() -> None:
    """Check that this PyTorch has Muon.

    Raises:
        DependencyError: If it has none.
    """
    if not hasattr(torch.optim, "Muon"):
        raise DependencyError(
            f"The optimizer muon needs PyTorch 2.9 or newer, and this is {torch.__version__}. Update "
            "PyTorch, or choose adamw, with a learning rate of its own, such as the paper's 5e-4."
        )


class MuonWithAdamW:
    """Muon for matrices and convolution kernels, AdamW for biases and scales; used like one optimiser.

    PyTorch's Muon takes matrices only; a kernel is passed as a matrix of its outputs by all its other
    dimensions. Its steps are scaled to the size of AdamW's, so that one learning rate serves both.

    Args:
        module: The trained module, on its device and in its memory format: parameters are shared, not copied.
        learning_rate: Learning rate of both.
        betas: AdamW's running averages; Muon's momentum is PyTorch's 0.95.
        weight_decay: Muon's decoupled decay; tensors of one dimension do not decay.

    Raises:
        DependencyError: If this PyTorch has no Muon.

    Source:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Liu et al. 2025, "Muon
        is scalable for LLM training", for the scale of its steps.
    """

    def __init__(
        self, module: nn.Module, *, learning_rate: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        check_muon()
        self._parameters = list(module.parameters())
        self._matrices = [_Matrix(value) for value in self._parameters if value.ndim > 1]
        self._muon = torch.optim.Muon(
            [matrix.value for matrix in self._matrices],
            lr=learning_rate,
            weight_decay=weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = torch.optim.AdamW(
            [value for value in self._parameters if value.ndim <= 1],
            lr=learning_rate,
            betas=betas,
            weight_decay=0.0,
            fused=True,
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of both; a learning rate set in them applies from the next step on."""
        return [*self._muon.param_groups, *self._adamw.param_groups]

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for matrix in self._matrices:
            matrix.take_gradient()
        self._muon.step()
        self._adamw.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or set them to 0."""
        for matrix in self._matrices:
            matrix.value.grad = None
        for value in self._parameters:
            if value.grad is not None:
                value.grad = None if set_to_none else value.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """State of both optimisers."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a :meth:`state_dict`."""
        self._muon.load_state_dict(state["muon"])
        self._adamw.load_state_dict(state["adamw"])


class _Matrix:
    """A parameter of two or more dimensions, and the matrix that shares its memory."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self._parameter = parameter
        # in memory order: in channels-last layouts the channels have the smallest stride
        inner = sorted(range(1, parameter.ndim), key=parameter.stride, reverse=True)
        self._order = (0, *inner)
        self.value = nn.Parameter(parameter.data.permute(self._order).view(len(parameter), -1))

    def take_gradient(self) -> None:
        gradient: Tensor | None = self._parameter.grad
        if gradient is not None:
            gradient = gradient.permute(self._order).reshape(self.value.shape)
        self.value.grad = gradient
