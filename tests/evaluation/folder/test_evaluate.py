"""Folders in, numbers out; and every bad input an error or a stated skip."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.folder.evaluate import Evaluation, evaluate_folders
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.labels import read_labels
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.protocols import PROTOCOLS, EvaluationSettings
from cinefoley.evaluation.folder.report import as_json, protocol_line, render
from cinefoley.evaluation.scores import interval

Folders = Callable[..., tuple[Path, Path]]


def run(generated: Path, real: Path, backbone: Any, cache: Path | None = None, **options: Any) -> Evaluation:
    names = ("protocol", "is_paired", "replicas", "seed")
    settings = {"replicas": 0} | {key: options.pop(key) for key in names if key in options}
    if isinstance(settings.get("protocol"), str):
        settings["protocol"] = PROTOCOLS[settings["protocol"]]
    return evaluate_folders(
        generated,
        real,
        [backbone],
        settings=EvaluationSettings(**settings),
        cache=FeatureCache(cache),
        **options,
    )


def values(evaluation: Evaluation) -> dict[str, float | None]:
    return {metric: score.value for metric, score in evaluation.scores.items()}


def test_a_foreign_backbone_plugs_in_and_is_named_in_its_metrics(folders: Folders, spectrum: Any) -> None:
    evaluation = run(*folders(12), spectrum)
    assert list(evaluation.scores) == [f"{name}-spectrum" for name in ("FD", "KID", "KL", "IS")]
    assert all(score.value is not None for score in evaluation.scores.values())
    assert evaluation.left_out == []


def test_a_set_beside_itself_is_at_no_distance(folders: Folders, spectrum: Any) -> None:
    _, real = folders(12)
    found = values(run(real, real, spectrum))
    assert found["FD-spectrum"] == pytest.approx(0, abs=1e-9)
    assert found["KL-spectrum"] == pytest.approx(0, abs=1e-4)


def test_several_samples_are_pooled_and_told(folders: Folders, spectrum: Any) -> None:
    evaluation = run(*folders(11, samples=3), spectrum)
    assert evaluation.protocol["samples_per_clip"] == "3"
    assert (evaluation.protocol["clips"], evaluation.protocol["samples"]) == (11, 33)
    repeated = run(*folders(11, samples=3), spectrum, protocol="audioldm_eval")
    assert repeated.protocol["reference"] == "once per sample"
    assert repeated.scores["FD-spectrum"].value != evaluation.scores["FD-spectrum"].value
    assert repeated.scores["KL-spectrum"].value == evaluation.scores["KL-spectrum"].value


def test_protocols_differ_where_the_tools_do(folders: Folders, spectrum: Any) -> None:
    pair = folders(12, channels=2)
    ours, theirs = (run(*pair, spectrum, protocol=name) for name in ("cinefoley", "av_benchmark"))
    assert "KID-spectrum" not in theirs.scores
    assert ours.scores["KL-spectrum"].value != theirs.scores["KL-spectrum"].value
    assert "mean of channels, first 8 s" in protocol_line(theirs)
    assert "kl epsilon 0.0" in protocol_line(theirs)


def test_rates_lengths_channels_and_videos_mix(
    folders: Folders, spectrum: Any, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    generated, real = folders(10)
    write_sound(real / "clip01.flac", 1, rate=44100, channels=2, seconds=3.2)
    (real / "clip01.wav").unlink()
    write_sound(generated / "clip02.wav", 2, rate=8000, seconds=0.5)
    evaluation = run(generated, real, spectrum)
    assert evaluation.left_out == []
    assert evaluation.protocol["reference_length_s"] == "2.5 to 3.2"


def test_features_are_cached_by_content_and_not_by_name(
    folders: Folders, spectrum: Any, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    generated, real = folders(10)
    cache = tmp_path / "cache"
    first = run(generated, real, spectrum, cache)
    assert spectrum.heard == 20
    moved = generated.rename(tmp_path / "moved")
    assert values(run(moved, real, spectrum, cache)) == values(first)
    assert spectrum.heard == 20
    write_sound(moved / "clip03.wav", 77)
    assert values(run(moved, real, spectrum, cache)) != values(first)
    assert spectrum.heard == 21
    spectrum.digest = "1" * 64
    run(moved, real, spectrum, cache)
    assert spectrum.heard == 41
    run(moved, real, spectrum, cache, protocol="av_benchmark")
    assert spectrum.heard == 61


def test_a_cache_cut_in_half_is_computed_again(folders: Folders, spectrum: Any, tmp_path: Path) -> None:
    generated, real = folders(10)
    cache = tmp_path / "cache"
    first = run(generated, real, spectrum, cache)
    files = [path for path in cache.rglob("*") if path.is_file()]
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert values(run(generated, real, spectrum, cache)) == values(first)
    assert spectrum.heard == 40
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert values(run(generated, real, spectrum, cache)) == values(first)
    assert spectrum.heard == 60


def spoil(path: Path, how: str) -> None:
    time = np.arange(40000) / 16000
    sound = 0.5 * np.sin(2 * np.pi * 220 * time)
    match how:
        case "silent":
            sound[:] = 0.25
        case "clipped":
            sound = np.clip(4 * sound, -1, 1)
        case "NaN":
            sound[100] = np.nan
        case "unreadable":
            path.write_text("a text file called .wav\n" * 50)
            return
        case "too short":
            sound = sound[:200]
    soundfile.write(path, sound, 16000, subtype="FLOAT" if how == "NaN" else "PCM_16")
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:40000])


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("silent", "silent"),
        ("clipped", "clipped"),
        ("NaN", r"NaN or infinite samples \(1 of 40000\)"),
        ("unreadable", r"unreadable \(.*clip04.wav"),
        ("cut off", "damaged"),
    ],
)
@pytest.mark.parametrize("side", ["generated", "real"])
def test_a_bad_file_is_named_and_in_no_number(
    how: str, reason: str, side: str, folders: Folders, spectrum: Any
) -> None:
    pair = dict(zip(("generated", "real"), folders(12), strict=True))
    spoil(pair[side] / "clip04.wav", how)
    evaluation = run(pair["generated"], pair["real"], spectrum)
    entry, partner = evaluation.left_out
    assert (entry.path, entry.side) == (pair[side] / "clip04.wav", side)
    assert partner.path == pair["real" if side == "generated" else "generated"] / "clip04.wav"
    assert partner.reason == "its partner was skipped"
    assert re.search(reason, entry.reason)
    assert evaluation.protocol["clips"] == 11
    for folder in pair.values():
        (folder / "clip04.wav").unlink()
    assert values(run(pair["generated"], pair["real"], spectrum)) == values(evaluation)


def test_the_tools_keep_silent_and_clipped_clips(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(12)
    spoil(generated / "clip04.wav", "silent")
    spoil(generated / "clip05.wav", "clipped")
    evaluation = run(generated, real, spectrum, protocol="audioldm_eval")
    assert evaluation.left_out == []
    assert evaluation.protocol["odd_clips"] == "used"


def test_a_wav_that_was_written_to_a_pipe_is_not_cut_off(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(12)
    content = bytearray((generated / "clip04.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (generated / "clip04.wav").write_bytes(content)
    assert run(generated, real, spectrum).left_out == []


def test_what_is_too_short_for_a_backbone_is_left_out(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(12)
    spoil(generated / "clip04.wav", "too short")
    evaluation = run(generated, real, spectrum, protocol="av_benchmark")
    assert "spectrum needs a waveform" in evaluation.left_out[0].reason


def test_nine_clips_give_no_inception_score_and_say_why(folders: Folders, spectrum: Any) -> None:
    evaluation = run(*folders(9), spectrum)
    score = evaluation.scores["IS-spectrum"]
    assert score.value is None
    assert score.skipped is not None
    assert "Inception score needs at least 10 rows" in score.skipped
    assert "got 9" in render(evaluation)


def test_one_clip_is_refused(folders: Folders, spectrum: Any) -> None:
    with pytest.raises(CinefoleyError, match="every metric needs at least 2 clips, got 1 usable"):
        run(*folders(1), spectrum)


def test_folders_where_nothing_is_usable_are_refused(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(3)
    for path in generated.iterdir():
        spoil(path, "silent")
    with pytest.raises(
        CinefoleyError, match=r"got 0 usable. 3 files were skipped, the first is clip00.wav: silent"
    ):
        run(generated, real, spectrum)


def test_unpaired_folders_have_no_kl(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(12)
    (generated / "clip00.wav").rename(generated / "other.wav")
    (real / "clip01.wav").unlink()
    evaluation = run(generated, real, spectrum, is_paired=False, replicas=10)
    assert evaluation.scores["KL-spectrum"].skipped == "clips are not paired"
    assert evaluation.scores["FD-spectrum"].low is not None
    assert (evaluation.protocol["clips"], evaluation.protocol["real_clips"]) == (12, 11)


def test_takes_of_one_clip_are_one_clip_though_nothing_is_paired(folders: Folders, spectrum: Any) -> None:
    """Six takes of twelve clips say no more of other clips than twelve do."""
    generated, real = folders(12, samples=3)
    (real / "clip01.wav").unlink()
    evaluation = run(generated, real, spectrum, is_paired=False)
    told = evaluation.protocol
    assert (told["clips"], told["samples"], told["samples_per_clip"]) == (12, 36, "3")


def test_a_reference_is_repeated_for_pairs_alone(folders: Folders, spectrum: Any) -> None:
    pair, protocol = folders(4, samples=2), PROTOCOLS["audioldm_eval"]
    told = [
        run(*pair, spectrum, protocol=protocol, is_paired=is_paired).protocol["reference"]
        for is_paired in (True, False)
    ]
    assert told == ["once per sample", "once per clip"]


def test_the_channel_that_is_heard_is_looked_at(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(4, channels=2)
    for name, dead in (("clip00", 0), ("clip01", 1)):
        samples, rate = soundfile.read(generated / f"{name}.wav")
        samples[:, dead] = 0
        soundfile.write(generated / f"{name}.wav", samples, rate)
    left_out = run(generated, real, spectrum).left_out
    assert [(entry.path.stem, entry.reason) for entry in left_out if entry.side == "generated"] == [
        ("clip00", "silent")
    ]


def test_intervals_hold_the_value_and_depend_on_the_seed_alone(folders: Folders, spectrum: Any) -> None:
    pair = folders(16, samples=2)
    first, again = (run(*pair, spectrum, replicas=40) for _ in range(2))
    other = run(*pair, spectrum, replicas=40, seed=1)
    for metric, score in first.scores.items():
        assert score.low is not None
        assert score.high is not None
        assert score.value is not None
        assert score.low < score.value < score.high
        assert again.scores[metric] == score
        assert other.scores[metric].value == score.value
        assert other.scores[metric].low != score.low


def test_an_interval_of_a_distance_lies_around_the_value_wherever_the_replicas_lie() -> None:
    replicas = np.random.Generator(np.random.PCG64(0)).normal(9, 2, 4000).tolist()
    for metric in ("FD", "FAD-lite"):
        low, high = interval(metric, 1.0, replicas)
        assert low == pytest.approx(1 - 1.96 * 2, abs=0.2)
        assert high == pytest.approx(1 + 1.96 * 2, abs=0.2)


def test_an_interval_of_a_share_is_one_of_percentiles() -> None:
    """One clip of 300 that differs is no difference: on a third of the resamplings it is not drawn at all."""
    replicas = np.random.Generator(np.random.PCG64(0)).binomial(300, 1 / 300, 4000) / 300
    assert interval("Align Acc", 1 / 300, replicas.tolist()) == (0, 3 / 300)


@pytest.fixture
def another_method(write_sound: Callable[..., Path], tmp_path: Path) -> Path:
    """Sounds for fourteen clips, of which the one for clip03 is silent."""
    folder = tmp_path / "other"
    for clip in range(14):
        write_sound(folder / f"clip{clip:02d}.wav", 1000 + clip)
    spoil(folder / "clip03.wav", "silent")
    return folder


def test_two_methods_are_compared_on_the_same_clips(
    folders: Folders, spectrum: Any, another_method: Path
) -> None:
    generated, real = folders(14)
    evaluation = run(generated, real, spectrum, replicas=20, against=another_method)
    assert evaluation.protocol["clips"] == 13
    left_out = [(entry.side, entry.path.stem, entry.reason) for entry in evaluation.left_out]
    assert sorted(left_out) == [
        ("against", "clip03", "silent"),
        ("generated", "clip03", "its partner was skipped"),
        ("real", "clip03", "its partner was skipped"),
    ]
    assert values(evaluation) == {metric: score.value for metric, score in evaluation.against.items()}
    for difference in evaluation.differences.values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert "difference" in render(evaluation, "markdown")


def test_categories_are_counted_and_scored(folders: Folders, spectrum: Any, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    lines = ["file,category", *(f"clip{n:02d}.wav,{'dog' if n < 8 else 'cat, meow'!r}" for n in range(12))]
    labels.write_text("\n".join(lines).replace("'", '"'))
    evaluation = run(*folders(12), spectrum, labels=read_labels(labels))
    assert {name: scores["clips"].value for name, scores in evaluation.categories.items()} == {
        "cat, meow": 4,
        "dog": 8,
    }
    assert evaluation.categories["dog"]["KL-spectrum"].value is not None
    head = next(line for line in render(evaluation).splitlines() if line.startswith("category"))
    assert head.split("  ")[1].strip() == "clips"
    assert head.index("FD-spectrum") < head.index("KID-spectrum") < head.index("IS-spectrum")
    assert "cat, meow" in render(evaluation)


def test_a_category_of_all_clips_has_the_numbers_of_all_clips(
    folders: Folders, spectrum: Any, another_method: Path
) -> None:
    """What is left out of a comparison, for either method's sake, is left out of its categories."""
    generated, real = folders(14)
    spoil(real / "clip05.wav", "silent")
    labels = {f"clip{clip:02d}": "noise" for clip in range(14)}
    evaluation = run(generated, real, spectrum, against=another_method, labels=labels)
    noise = {metric: score.value for metric, score in evaluation.categories["noise"].items()}
    assert noise == {"clips": 12} | values(evaluation)


class ParityJudge:
    """Says that a sound is right if its name's number is even, wherever it can be read."""

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        parts = {sample: (float(int(sample.clip[-2:]) % 2 == 0), 1.0) for sample in samples}
        folder = samples[0].path.parent.name
        return Measurement(
            ratios={"evenness": Ratio(parts=parts)},
            protocol={"eye": "good", "heard": folder},
            problems={samples[0]: "no film"},
        )


def test_judges_hear_silence_too_and_have_intervals(folders: Folders, spectrum: Any) -> None:
    generated, real = folders(14, samples=2)
    spoil(generated / "clip04.take1.wav", "silent")
    spoil(generated / "clip05.take1.wav", "unreadable")
    evaluation = run(generated, real, spectrum, replicas=50, metrics=[ParityJudge()])
    score = evaluation.scores["evenness"]
    assert score.value is not None
    assert score.value == pytest.approx(14 / 27)
    assert score.low is not None
    assert score.high is not None
    assert 0 <= score.low < score.value < score.high <= 1
    assert "; eye good; heard generated" in protocol_line(evaluation)
    assert evaluation.protocol["samples"] == 26
    assert evaluation.left_out[-1].reason == "not measured: no film"


def test_judged_methods_are_compared_on_the_same_drawn_clips(
    folders: Folders, spectrum: Any, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    generated, real = folders(14)
    other = tmp_path / "other"
    for clip in range(14):
        write_sound(other / f"clip{clip:02d}.wav", 2000 + clip)
    spoil(other / "clip03.wav", "unreadable")
    labels = {f"clip{n:02d}": "dog" if n < 7 else "cat" for n in range(14)}
    evaluation = run(
        generated, real, spectrum, replicas=20, against=other, metrics=[ParityJudge()], labels=labels
    )
    assert evaluation.scores["evenness"] == evaluation.against["evenness"]
    assert evaluation.scores["evenness"].value == pytest.approx(7 / 13)
    difference = evaluation.differences["evenness"]
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert evaluation.categories["dog"]["evenness"].value == pytest.approx(4 / 6)
    assert (evaluation.protocol["heard"], evaluation.protocol["heard_against"]) == ("generated", "other")


def test_judges_need_pairs(folders: Folders, spectrum: Any) -> None:
    with pytest.raises(ValueError, match="metrics need clips that are paired"):
        run(*folders(3), spectrum, is_paired=False, metrics=[ParityJudge()])


def test_vggsounds_list_is_a_table_of_labels(tmp_path: Path) -> None:
    (tmp_path / "vggsound.csv").write_text('--0PQM4-hqg,30,"waterfall, burbling",train\nabc,1,dog,test\n')
    labels = read_labels(tmp_path / "vggsound.csv")
    assert labels["--0PQM4-hqg_000030"] == "waterfall, burbling"
    assert labels["abc"] == labels["abc_000001"] == "dog"


@pytest.mark.parametrize(
    "text",
    [
        "id,start,label\r\ndog,30,animal\r\n",
        "id,split,label\ndog,test,animal\n",
        "label,id\nanimal,dog\n",
        "\n\ndog,30,animal,test\n",
        "\ufeffdog,animal\n",
        "\ufeffid,label\ndog.wav,animal\n",
        "clip,category\ndog.wav,animal\ndog.mp4,animal\n",
    ],
)
def test_labels_come_in_many_forms(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8", newline="")
    assert read_labels(tmp_path / "labels.csv")["dog"] == "animal"


def test_a_clips_own_label_comes_before_that_of_a_name_it_might_have(tmp_path: Path) -> None:
    for text in ("dog_0,0,cat,test\ndog,0,bark,test\n", "dog,0,bark,test\ndog_0,0,cat,test\n"):
        (tmp_path / "labels.csv").write_text(text)
        labels = read_labels(tmp_path / "labels.csv")
        assert (labels["dog"], labels["dog_0"]) == ("bark", "cat")


def test_a_clip_of_two_categories_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("dog,animal\ndog.wav,car\n")
    with pytest.raises(CinefoleyError, match="line 2: dog is car here and animal above"):
        read_labels(tmp_path / "labels.csv")


def test_labels_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("clip,label\nonly one column\n")
    with pytest.raises(CinefoleyError, match="line 2: expected a clip and its category"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(CinefoleyError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


def test_every_form_of_the_report_carries_the_protocol_line(folders: Folders, spectrum: Any) -> None:
    evaluation = run(*folders(9), spectrum)
    line = protocol_line(evaluation)
    for part in (
        "spectrum (sha256:000000000000)",
        "clips 9",
        "samples per clip 1",
        "pairing by name",
        "version",
    ):
        assert part in line
    for part in ("reference length 2.5 s", "resampler windowed sinc", "seed 0"):
        assert part in line
    for form in ("text", "markdown", "latex"):
        assert line in render(evaluation, form)
    assert r"\begin{tabular}" in render(evaluation, "latex")
    content = as_json(evaluation)
    assert content["protocol"]["clips"] == 9
    assert "replicas" not in content["scores"]["FD-spectrum"]
