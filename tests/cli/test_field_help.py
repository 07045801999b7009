import pytest

from cinefoley.cli.field_help import field_help


def test_help_is_the_first_sentence_and_what_is_added() -> None:
    text = field_help("config.training.TrainConfig.precision", "Default: auto.")

    assert (
        text
        == "Number format of the forward pass; auto takes bf16 where it is faster than fp32. Default: auto."
    )


def test_a_number_of_an_equation_ends_no_sentence() -> None:
    text = field_help("distillation.recipe.DistillationRecipe.cosine_weight")

    assert text == "Weight of the cosine distance in Eq. (2)."


def test_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        field_help("config.training.TrainConfig.colour")
