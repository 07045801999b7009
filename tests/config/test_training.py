import pytest

from cinefoley.config.training import TrainConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"gradient_accumulation": 0}, "gradient_accumulation must be at least 1, got 0"),
        ({"batch_size": 16, "gradient_accumulation": 3}, "got 16 clips in 3 parts"),
        ({"learning_rate": 0.0}, r"learning_rate must be in \(0, 1\), got 0.0"),
        ({"warmup_steps": -1}, "warmup_steps must be 0 or more, got -1"),
        ({"weight_decay": 1.5}, r"weight_decay must be in \[0, 1\), got 1.5"),
        ({"betas": (0.9, 1.0)}, r"betas must be in \[0, 1\), got \(0.9, 1.0\)"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be positive, or None for no clipping, got 0.0"),
        ({"ema_decay": 1.0}, r"ema_decay must be in \(0, 1\), or None for no averaging, got 1.0"),
        ({"optimizer": "sgd"}, "optimizer must be one of adamw, muon, got 'sgd'"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine, trapezoid, got 'linear'"),
        ({"batch_norm": "eval"}, "batch_norm must be one of train, frozen, got 'eval'"),
        ({"precision": "fp16"}, "precision must be one of auto, bf16, fp32, got 'fp16'"),
        ({"validate_every": 0}, "validate_every must be at least 1, or None, got 0"),
        ({"validate_every": 30, "log_every": 20}, r"validate_every must be a multiple of log_every \(20\)"),
        ({"sample_every": 0}, "sample_every must be at least 1, or None, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**({"steps": 1} | settings))  # type: ignore[arg-type]


def test_clipping_and_averaging_can_be_left_out() -> None:
    config = TrainConfig(steps=1, max_grad_norm=None, ema_decay=None)
    assert config.max_grad_norm is None
