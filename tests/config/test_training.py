import pytest

from cinefoley.config.training import TrainConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "must be positive"),
        ({"steps": 1, "batch_size": 0}, "must be positive"),
        ({"steps": 1, "learning_rate": 0.0}, "learning_rate must be in"),
        ({"steps": 1, "ema_decay": 1.0}, "ema_decay must be in"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)  # type: ignore[arg-type]
