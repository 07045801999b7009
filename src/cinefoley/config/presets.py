"""Model and training presets: Diff-Foley's published numbers, and those of the default model lite.

The presets of distillation are in :mod:`cinefoley.distillation.presets`. A test pins every published number.
"""

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.config.model import (
    AudioEncoderConfig,
    AutoencoderConfig,
    DenoiserConfig,
    ModelConfig,
    VideoEncoderConfig,
)
from cinefoley.config.recipes import (
    AlignmentRecipe,
    AutoencoderRecipe,
    CavpRecipe,
    LatentDiffusionRecipe,
    ScheduleRecipe,
    TrainingPreset,
)

__all__ = ["diff_foley", "diff_foley_training", "lite", "lite_training"]


def diff_foley() -> ModelConfig:
    """Diff-Foley (Luo et al., NeurIPS 2023), the paper's generator."""
    return ModelConfig(
        foley=FoleyConfig(
            mel=MelConfig(
                sample_rate=16000, n_fft=1024, hop_length=256, n_mels=128, f_min=125.0, f_max=7600.0
            ),
            mel_frames=512,
            video_fps=4.0,
            video_frames=32,
            frame_size=(224, 224),
            null_condition="zero_context",
        ),
        video_encoder=VideoEncoderConfig(
            width=64, blocks=(3, 4, 6, 3), temporal_kernels=(1, 1, 3, 3), feature_dim=512
        ),
        audio_encoder=AudioEncoderConfig(
            n_mels=128,
            channels=(64, 128, 256, 512, 1024, 2048),
            time_pools=(2, 2, 2, 2, 1, 1),
            band_pools=(2, 2, 2, 2, 2, 1),
            feature_dim=512,
            dropout=0.2,
        ),
        autoencoder=AutoencoderConfig(
            channels=3,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
            scaling_factor=0.18215,
            norm_num_groups=32,
        ),
        denoiser=DenoiserConfig(
            latent_channels=4,
            block_out_channels=(320, 640, 1280, 1280),
            has_attention=(True, True, True, False),
            layers_per_block=2,
            num_heads=8,
            context_dim=768,
            norm_num_groups=32,
            prediction_type="epsilon",
        ),
        max_frames=40,
    )


def lite() -> ModelConfig:
    """The small default model: the same parts, trained from nothing on the Foley stage.

    What is not named here is as in Diff-Foley. It differs where a small size or a short training requires it:
    64-pixel frames; hop 250, so that 32 frames and 512 mel frames both last 8.000 s; one image channel in the
    autoencoder; and a denoiser that predicts velocity, whose loss weighs the early timesteps, which decide
    the structure, more than the loss of the noise does.
    """
    return ModelConfig(
        foley=FoleyConfig(
            mel=MelConfig(hop_length=250),
            frame_size=(64, 64),
            quality="balanced",
        ),
        video_encoder=VideoEncoderConfig(width=32, blocks=(1, 1, 2, 1), temporal_kernels=(1, 3, 3, 3)),
        audio_encoder=AudioEncoderConfig(
            channels=(16, 32, 64, 128, 256),
            time_pools=(2, 2, 2, 2, 1),
            band_pools=(2, 2, 2, 2, 2),
            dropout=0.1,
        ),
        autoencoder=AutoencoderConfig(
            channels=1,
            block_out_channels=(16, 32, 64, 128),
            layers_per_block=1,
            scaling_factor=1.0,
            norm_num_groups=8,
            has_middle_attention=False,
        ),
        denoiser=DenoiserConfig(
            block_out_channels=(32, 64, 128, 128),
            has_attention=(False, True, True, True),
            layers_per_block=1,
            num_heads=4,
            norm_num_groups=16,
            prediction_type="v_prediction",
        ),
    )


def diff_foley_training() -> TrainingPreset:
    """Diff-Foley's training, from its paper and its public code.

    Published: CAVP on 8 GPUs with 30 videos each, three windows of 4 s, mel hop 250, AdamW at 8e-4, decay
    0.2, 200 warm-up steps, cosine over 300 epochs of at most 567,980 clips (the released weights are epoch
    66's), both encoders pretrained; the denoiser on 8 GPUs with 220 clips each, AdamW at 1e-4, 1000
    warm-up steps, then constant, 250 epochs (released: 240), no averaged weights, both it and its autoencoder
    from Stable Diffusion v1.4; classifiers with AdamW at 5e-5.
    Reading: gradient clipping is not published, so gradients are not clipped. The weight decay of denoiser
    and classifiers is not published (PyTorch's 0.01 is used), nor are the classifiers' batch size and length.
    No autoencoder was trained: its recipe is ours.
    """
    return TrainingPreset(
        name="diff_foley",
        model=diff_foley(),
        cavp=CavpRecipe(
            schedule=ScheduleRecipe(
                epochs=300,
                most_clips_per_epoch=567_980,
                batch_size=8 * 30,
                learning_rate=8e-4,
                warmup_steps=200,
                schedule="cosine",
                betas=(0.9, 0.999),
                weight_decay=0.2,
                max_grad_norm=None,
                ema_decay=None,
            ),
            warm_start=None,
            keeps_targets=False,
            pooling="max",
            windows=3,
            window_frames=16,
            gap_frames=8,
            temporal_weight=1.0,
            mel=MelConfig(hop_length=250),
        ),
        autoencoder=AutoencoderRecipe(
            schedule=ScheduleRecipe(
                epochs=10, batch_size=64, learning_rate=1e-4, warmup_steps=1000, schedule="constant"
            ),
            has_unit_variance=False,
        ),
        ldm=LatentDiffusionRecipe(
            schedule=ScheduleRecipe(
                epochs=250,
                batch_size=8 * 220,
                learning_rate=1e-4,
                warmup_steps=1000,
                schedule="constant",
                betas=(0.9, 0.999),
                weight_decay=0.01,
                max_grad_norm=None,
                ema_decay=None,
            ),
            dropout=0.2,
            concatenation=0.5,
            guidance_weight=0.0,
            conditioner_std=None,
        ),
        alignment=AlignmentRecipe(
            schedule=ScheduleRecipe(
                epochs=30, batch_size=64, learning_rate=5e-5, schedule="constant", max_grad_norm=None
            ),
            block_out_channels=(128, 256, 256),
            num_heads=8,
            norm_num_groups=32,
            adds_frames=False,
        ),
    )


def lite_training() -> TrainingPreset:
    """Training of a model of lite's size from nothing: sized for two cores and one night."""
    return TrainingPreset(
        name="lite",
        model=lite(),
        cavp=CavpRecipe(
            warm_start=ScheduleRecipe(
                steps=2000,
                batch_size=16,
                learning_rate=1e-3,
                schedule="trapezoid",
                warmup_steps=50,
                weight_decay=0.02,
                seed=11,
                checkpoint_every=100,
            ),
            kinds_from=500,
            schedule=ScheduleRecipe(
                steps=300,
                batch_size=16,
                learning_rate=2e-4,
                warmup_steps=30,
                weight_decay=0.02,
                seed=14,
                checkpoint_every=100,
            ),
            keeps_targets=True,
            pooling="frames",
            mel=lite().foley.mel,
        ),
        autoencoder=AutoencoderRecipe(
            schedule=ScheduleRecipe(
                steps=1800,
                batch_size=16,
                learning_rate=2e-3,
                schedule="trapezoid",
                warmup_steps=40,
                weight_decay=0.0,
                betas=(0.9, 0.99),
                seed=12,
            ),
            choices=3,
            audible_weight=4.0,
            slope_weight=1.0,
            has_unit_variance=True,
        ),
        ldm=LatentDiffusionRecipe(
            schedule=ScheduleRecipe(
                steps=5400,
                batch_size=16,
                learning_rate=8e-4,
                schedule="trapezoid",
                warmup_steps=100,
                betas=(0.9, 0.99),
                ema_decay=0.999,
                seed=13,
            ),
            guidance_weight=0.2,
            conditioner_std=1.0,
        ),
        alignment=AlignmentRecipe(
            schedule=ScheduleRecipe(steps=500, batch_size=32, learning_rate=1e-3, warmup_steps=100, seed=15),
            block_out_channels=(64, 128, 128),
            num_heads=4,
            norm_num_groups=16,
            adds_frames=True,
            splices=0.5,
        ),
    )
