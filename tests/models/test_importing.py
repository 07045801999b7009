"""Public checkpoints become a model folder, completely or not at all."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from cinefoley.cli.inspection import describe_model
from cinefoley.config.model import ModelConfig
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.folder import load_part
from cinefoley.models.importing.checkpoint import read_checkpoint
from cinefoley.models.importing.diff_foley import ImportReport, import_diff_foley
from cinefoley.models.importing.layout import KINDS, KindName, select_tensors
from cinefoley.pipelines.foley import FoleyPipeline

Checkpoints = Callable[[str], Path]
State = Callable[[str], dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def imported(
    tmp_path_factory: pytest.TempPathFactory, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> ImportReport:
    out = tmp_path_factory.mktemp("models") / "imported"
    return import_diff_foley(
        out, {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("ldm")}, config=small_config
    )


def test_the_keys_we_expect_are_those_of_the_reference() -> None:
    manifests = Path(__file__).parents[1] / "parity" / "manifests"
    names = {"guidance_classifier": "double_guidance_classifier", "alignment": "eval_classifier"}
    for kind in KINDS.values():
        manifest = json.loads((manifests / f"{names.get(kind.name, kind.name)}.json").read_text())
        assert list(kind.keys) == list(manifest)


def test_an_imported_folder_generates(imported: ImportReport, small_config: ModelConfig) -> None:
    pipeline = FoleyPipeline.from_pretrained(imported.folder)
    assert pipeline.foley_config == small_config.foley
    frames = torch.rand(1, 32, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    latents = pipeline.sample(pipeline.encode_video(frames), num_inference_steps=1)
    assert latents.shape == (1, 4, 16, 64)
    assert bool(latents.isfinite().all())


def test_every_number_arrives_unchanged(imported: ImportReport, small_state: State) -> None:
    ldm, cavp = small_state("ldm"), small_state("cavp")
    weights = "diffusion_pytorch_model.safetensors"
    unet = load_file(imported.folder / "unet" / weights)
    assert torch.equal(unet["conv_in.weight"], ldm["model.diffusion_model.input_blocks.0.0.weight"])
    encoder = load_file(imported.folder / "video_encoder" / weights)
    assert torch.equal(
        encoder["backbone.layer4.2.conv3.bn.running_var"], cavp["video_encoder.layer4.2.conv3.bn.running_var"]
    )
    conditioner = load_file(imported.folder / "conditioner" / weights)
    assert torch.equal(conditioner["positions.weight"], ldm["cond_stage_model.pos_emb.weight"])
    for part, prefix in (("unet", "model.diffusion_model."), ("vae", "first_stage_model.")):
        ours = sorted(
            float(value.double().sum()) for value in load_file(imported.folder / part / weights).values()
        )
        theirs = sorted(float(value.double().sum()) for key, value in ldm.items() if key.startswith(prefix))
        assert ours == theirs


def test_every_tensor_of_the_spectrogram_encoder_arrives(
    imported: ImportReport, small_state: State, small_config: ModelConfig
) -> None:
    cavp = small_state("cavp")
    encoder = load_part(imported.folder / "audio_encoder", AudioEncoder)
    theirs = [value for key, value in cavp.items() if key.startswith("spec_encoder.")]
    assert len(theirs) == 81
    assert len(encoder.state_dict()) == 82
    ours = sorted(float(value.double().sum()) for value in encoder.state_dict().values())
    assert ours == sorted(float(value.double().sum()) for value in [*theirs, cavp["logit_scale"]])
    assert torch.equal(encoder.logit_scale, cavp["logit_scale"])
    assert torch.equal(encoder.norm.running_mean, cavp["spec_encoder.bn.running_mean"])
    assert torch.equal(encoder.blocks[5].conv2.weight, cavp["spec_encoder.conv_block6.conv2.weight"])
    assert small_config.audio_encoder is not None
    assert encoder.config.channels == list(small_config.audio_encoder.channels)


def test_a_configuration_without_a_spectrogram_encoder_is_refused(
    tmp_path: Path, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    files: dict[KindName, Path] = {kind: small_checkpoints(kind) for kind in ("cavp", "ldm")}
    with pytest.raises(ValueError, match="audio_encoder is None"):
        import_diff_foley(tmp_path / "out", files, config=replace(small_config, audio_encoder=None))
    assert not list(tmp_path.iterdir())


def test_the_folder_is_what_the_pipeline_would_save(imported: ImportReport, tmp_path: Path) -> None:
    FoleyPipeline.from_pretrained(imported.folder).save_pretrained(tmp_path / "saved")
    saved = {str(path.relative_to(tmp_path / "saved")) for path in (tmp_path / "saved").rglob("*")}
    made = {str(path.relative_to(imported.folder)) for path in imported.folder.rglob("*")}
    # the spectrogram encoder is no part of the pipeline: what generates sound does not listen
    assert {name for name in made - saved if not name.startswith("audio_encoder")} == {
        "README.md",
        "import.json",
    }
    assert saved <= made
    for name in sorted(saved):
        if name.endswith(".json"):
            ours, theirs = (
                json.loads((folder / name).read_text()) for folder in (imported.folder, tmp_path / "saved")
            )
            assert _without_library(ours) == _without_library(theirs), name


def test_the_record_and_the_card_name_the_sources(
    imported: ImportReport, small_checkpoints: Checkpoints
) -> None:
    record = json.loads((imported.folder / "import.json").read_text())
    assert record["sources"]["ldm"]["bytes"] == small_checkpoints("ldm").stat().st_size
    assert record["sources"]["cavp"]["beside"] == ["epoch", "optimizer_states"]
    card = (imported.folder / "README.md").read_text()
    assert record["sources"]["cavp"]["sha256"] in card
    assert record["sources"]["ldm"]["sha256"] in card
    import hashlib

    for name, entry in record["parts"].items():
        assert hashlib.sha256((imported.folder / name).read_bytes()).hexdigest() == entry["sha256"]


def test_models_info_tells_of_the_spectrogram_encoder(imported: ImportReport) -> None:
    part = describe_model(imported.folder)["parts"]["audio_encoder"]
    encoder = load_part(imported.folder / "audio_encoder", AudioEncoder)
    assert part["problem"] is None
    assert part["parameters"] == sum(value.numel() for value in encoder.state_dict().values())
    record = json.loads((imported.folder / "import.json").read_text())
    weights = "diffusion_pytorch_model.safetensors"
    assert record["parts"][f"audio_encoder/{weights}"]["sha256"] == part["sha256"][weights]


def _without_library(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in content.items() if key not in ("_diffusers_version", "_name_or_path")
    }


@pytest.mark.parametrize("form", ["bare", "module", "safetensors", "legacy"])
def test_the_forms_that_files_come_in_give_the_same_tensors(
    form: str, tmp_path: Path, small_state: State
) -> None:
    state = small_state("cavp")
    path = tmp_path / ("cavp.safetensors" if form == "safetensors" else "cavp.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "module":
        wrapped = {f"module.{key.replace('conv1.', 'conv1.module.')}": value for key, value in state.items()}
        torch.save({"state_dict": wrapped, "name": "cavp", "scaler": {}}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "bare")
    tensors, unused = select_tensors(read_checkpoint(path), KINDS["cavp"])
    assert not unused
    assert all(torch.equal(tensors[key], value) for key, value in state.items())


def test_half_precision_halves_the_folder(
    tmp_path: Path, imported: ImportReport, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    report = import_diff_foley(
        tmp_path / "half",
        {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("ldm")},
        dtype=torch.bfloat16,
        config=small_config,
    )
    assert report.dtype == "bfloat16"
    half, full = (
        sum(f.stat().st_size for f in folder.rglob("*.safetensors"))
        for folder in (report.folder, imported.folder)
    )
    assert 0.5 < half / full < 0.55
    FoleyPipeline.from_pretrained(report.folder)
    load_part(report.folder / "audio_encoder", AudioEncoder)


def test_classifiers_become_parts_of_their_own(
    tmp_path: Path, small_checkpoints: Checkpoints, small_state: State, small_config: ModelConfig
) -> None:
    kinds: tuple[KindName, ...] = ("cavp", "ldm", "guidance_classifier")
    files: dict[KindName, Path] = {kind: small_checkpoints(kind) for kind in kinds}
    state = small_state("alignment")
    state |= {key: value for key, value in small_state("ldm").items() if key.startswith("first_stage_model.")}
    files["alignment"] = tmp_path / "alignment.ckpt"
    torch.save({"state_dict": state}, files["alignment"])
    guidance = small_state("guidance_classifier") | {"first_stage_model.quant_conv.bias": torch.zeros(8)}
    files["guidance_classifier"] = tmp_path / "guidance.ckpt"
    torch.save({"state_dict": guidance}, files["guidance_classifier"])
    report = import_diff_foley(tmp_path / "out", files, config=small_config)
    schedule = {"scale_factor": 1, "schedule buffers": 12}
    assert report.sources["guidance_classifier"].unused == {**schedule, "first_stage_model.": 1}
    assert report.sources["alignment"].unused == schedule
    assert report.notes[0] == "alignment.ckpt: its autoencoder is the generator's, and is stored once."
    for name, expected in (("alignment", state), ("guidance_classifier", guidance)):
        classifier = load_part(report.folder / name, AlignmentClassifier)
        assert torch.equal(classifier.classifier.weight, expected["model.classifier.weight"])
        assert torch.equal(classifier.conditioner.positions.weight, expected["cond_model.pos_emb.weight"])
    index = json.loads((report.folder / "model_index.json").read_text())
    assert index["guidance_classifier"] == ["cinefoley.models.classifier", "AlignmentClassifier"]
    FoleyPipeline.from_pretrained(report.folder)


def test_an_autoencoder_that_differs_from_the_generators_is_kept_beside_the_classifier(
    tmp_path: Path, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    kinds: tuple[KindName, ...] = ("cavp", "ldm", "alignment")
    report = import_diff_foley(
        tmp_path / "out", {kind: small_checkpoints(kind) for kind in kinds}, config=small_config
    )
    assert "differs from the generator's; it is in alignment_vae/" in report.notes[0]
    load_part(report.folder / "alignment_vae", AutoencoderKL)


def test_a_noise_schedule_other_than_the_published_one_is_noted(
    imported: ImportReport,
    tmp_path: Path,
    small_checkpoints: Checkpoints,
    small_state: State,
    small_config: ModelConfig,
) -> None:
    assert imported.notes == (
        "ldm.ckpt: its noise schedule is not Diff-Foley's published one, which the model folder has.",
    )
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    state = small_state("ldm") | {"alphas_cumprod": (1 - betas).cumprod(0).float()}
    torch.save(state, tmp_path / "published.ckpt")
    files: dict[KindName, Path] = {"cavp": small_checkpoints("cavp"), "ldm": tmp_path / "published.ckpt"}
    assert not import_diff_foley(tmp_path / "out", files, config=small_config).notes
