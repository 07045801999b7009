"""Double guidance: the gradient of an alignment classifier steers the sampling."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from cinefoley.errors import CheckpointMismatchError, MissingWeightsError
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.folder import load_part
from cinefoley.pipelines.denoiser import Denoise
from cinefoley.pipelines.schedulers import Scheduler, noise_level
from cinefoley.spectral.magnitude import Compat

__all__ = ["DoubleGuidance", "load_guidance_classifier"]


def load_guidance_classifier(
    model_folder: Path, unet: UNet2DConditionModel, conditioner: Conditioner
) -> AlignmentClassifier:
    """Load a model's guidance classifier, in float32, on the CPU.

    Args:
        model_folder: The model's folder.
        unet: The model's denoiser, whose latents the classifier gets.
        conditioner: The model's conditioner, whose features it gets.

    Raises:
        MissingWeightsError: If the model has none.
        CheckpointMismatchError: If it was made for another model.
        WeightsError: If it is damaged.
    """
    folder = model_folder / "guidance_classifier"
    if not folder.is_dir():
        raise MissingWeightsError(
            f"{model_folder} has no guidance_classifier/, which double guidance needs. "
            "Turn double guidance off, or import a model that has one with `cinefoley models import --cavp A "
            "--ldm B --guidance-classifier double_guidance_classifier.ckpt OUT`."
        )
    with torch.inference_mode(False):  # gradients pass through its weights
        classifier = load_part(folder, AlignmentClassifier)
    found = (classifier.config.latent_channels, classifier.config.feature_dim)
    expected = (unet.config.in_channels, conditioner.config.feature_dim)
    if found != expected:
        raise CheckpointMismatchError(
            f"{folder}: expects latents of {found[0]} channels and features of width {found[1]}; this "
            f"model has {expected[0]} and {expected[1]}."
        )
    return classifier.requires_grad_(False)


class DoubleGuidance:
    """Denoiser steered towards latents that the classifier rates as aligned with the video.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), double guidance:
    ``eps - scale * sigma_t * grad_x log p(x, t, c)``, on top of classifier-free guidance.
    Reading: the classifier was trained on features that its conditioner embedded, so it gets them embedded;
    the reference's sampler passes them raw, which ``compat="diff-foley"`` repeats.

    Where the probability underflows float32, and so has no gradient, the prediction is not changed.

    Args:
        denoise: Latents ``(B, C, h, w)`` and a time ``()`` to the model's prediction.
        classifier: The guidance classifier, on the latents' device; its gradients are taken in float32.
        video_features: ``(B, T, D)`` of the window only.
        scheduler: For its noise levels and prediction type.
        scale: Strength, more than 0; 50 in Diff-Foley's notebook.
        compat: ``"diff-foley"`` passes the features without embedding them.

    Raises:
        ValueError: If the prediction type is neither noise nor velocity, or the features do not fit.
    """

    def __init__(
        self,
        denoise: Denoise,
        classifier: AlignmentClassifier,
        video_features: Tensor,
        scheduler: Scheduler,
        *,
        scale: float,
        compat: Compat | None = None,
    ) -> None:
        prediction_type = scheduler.config.prediction_type
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"double guidance steers noise or velocity, not {prediction_type!r}")
        self._is_velocity = prediction_type == "v_prediction"
        self._denoise = denoise
        # not classifier.to(dtype): diffusers 0.42 then warns of modules to keep in float32
        self._classifier: AlignmentClassifier = nn.Module.to(classifier, torch.float32).requires_grad_(False)
        self._scheduler = scheduler
        self._scale = scale
        device = next(self._classifier.parameters()).device
        with torch.inference_mode(False), torch.no_grad():
            features = video_features.to(device, torch.float32).clone()
            self._context = features if compat else self._classifier.conditioner(features)

    def __call__(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Predict for latents ``(B, C, h, w)`` at one time ``()``; same shape, float32."""
        signal, sigma = noise_level(self._scheduler, timestep)
        strength = self._scale * sigma
        if self._is_velocity:  # v = (eps - sigma x) / alpha, so that is how a change of noise changes it
            strength /= signal
        prediction = self._denoise(latents, timestep)
        return prediction - strength * self.log_probability_gradient(latents, timestep)

    def log_probability_gradient(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Gradient of the log probability with respect to the latents ``(B, C, h, w)``; float32."""
        with torch.inference_mode(False), torch.enable_grad():
            latents = latents.detach().float().clone().requires_grad_()
            probability = self._classifier(latents, timestep, self._context, is_embedded=True)
            log_probability = probability.clamp_min(torch.finfo(torch.float32).tiny).log()
            [gradient] = torch.autograd.grad(log_probability.sum(), latents)
        return gradient
