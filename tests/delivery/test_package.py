import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio
import pytest
import rpp
import soundfile
import soxr
import torch
import wavinfo
from tests.delivery.conftest import MakeHits

from cinefoley.delivery.package import Delivery, deliver
from cinefoley.delivery.settings import DeliverySettings
from cinefoley.delivery.stems import Stem
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.errors import AudioError, CinefoleyError, DataError, OutputError
from cinefoley.media.audio.files import write_audio
from cinefoley.media.audio.loudness import measure_file_loudness
from cinefoley.media.muxing.replace_audio import replace_audio, video_hash

CLOCK = TimecodeClock.of(Fraction(25), start="10:00:00:00")
SETTINGS = DeliverySettings(handle_s=0.48, has_two_pop=True, loudness_lufs=-23.0)


@pytest.fixture(scope="module")
def stems(make_hits: MakeHits, tmp_path_factory: pytest.TempPathFactory) -> list[Stem]:
    """Two takes of two shots: take 2 is used for the first, take 1 for the second."""
    folder = tmp_path_factory.mktemp("takes")
    found = []
    for take, times in ((1, [0.5, 1.5, 2.5]), (2, [0.6, 2.6, 3.4])):
        wav = folder / f"rain.take{take}.wav"
        write_audio(wav, 0.2 * make_hits(times), 16000, subtype="FLOAT")
        for shot, (start, end) in ((1, (0.0, 1.6)), (2, (1.6, 4.0))):
            found.append(
                Stem(
                    shot=shot,
                    take=take,
                    start_s=start,
                    end_s=end,
                    wav=wav,
                    is_used=(take == 2) == (shot == 1),
                    model="lite",
                    seed=7,
                )
            )
    return found


@pytest.fixture(scope="module")
def delivery(small_film: Path, stems: list[Stem], tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return deliver(small_film, stems, tmp_path_factory.mktemp("work") / "out", CLOCK, SETTINGS)


def test_every_file_is_there_and_listed(delivery: Delivery) -> None:
    stems = [f"rain_{shot:03d}_T{take}.wav" for shot in (1, 2) for take in (1, 2)]
    others = ["rain.aaf", "rain.cues.csv", "rain.delivery.json", "rain.edl", "rain.otio", "rain.rpp"]
    assert list(delivery.files) == sorted(
        [*stems, *others, "rain_2POP.wav", "rain_FOLEY.mp4", "rain_FOLEY.wav"]
    )
    assert sorted(path.name for path in delivery.folder.iterdir()) == list(delivery.files)
    manifest = json.loads((delivery.folder / "rain.delivery.json").read_text())
    assert sorted([*manifest["files"], "rain.delivery.json"]) == list(delivery.files)
    assert list(delivery.folder.parent.iterdir()) == [delivery.folder]


def test_stems_say_where_they_belong(delivery: Delivery) -> None:
    found = wavinfo.WavInfoReader(delivery.folder / "rain_002_T1.wav")

    assert (found.fmt.sample_rate, found.fmt.bits_per_sample) == (48000, 24)
    assert found.data.frame_count == round(2.88 * 48000)  # a handle before; none after the end
    assert found.bext.time_reference == CLOCK.samples(1.12, 48000)
    assert found.bext.description == "rain, shot 2, take 1; model lite, seed 7"
    assert (found.ixml.project, found.ixml.scene, found.ixml.take) == ("rain", "2", "1")
    pop = wavinfo.WavInfoReader(delivery.folder / "rain_2POP.wav")
    assert pop.bext.time_reference == CLOCK.samples(0, 48000) - 2 * 48000
    tone = soundfile.read(delivery.folder / "rain_2POP.wav")[0]
    assert 20 * np.log10(tone[:1920].std()) == pytest.approx(-20, abs=0.05)
    assert not tone[1920:].any()


def test_stems_are_the_take_at_one_gain_and_in_place(delivery: Delivery, stems: list[Stem]) -> None:
    factor = 10 ** (delivery.gain.gain_db / 20)
    for name, stem, start in (("rain_001_T2", stems[2], 0.0), ("rain_002_T2", stems[3], 1.12)):
        sound = soundfile.read(delivery.folder / f"{name}.wav")[0]
        take = soxr.resample(soundfile.read(stem.wav)[0], 16000, 48000)
        expected = factor * take[round(48000 * start) :][: len(sound)]
        assert np.abs(sound - expected).max() < 1e-4
    assert delivery.loudness.integrated_lufs == pytest.approx(-23.0, abs=0.1)
    assert measure_file_loudness(delivery.folder / "rain_FOLEY.wav").true_peak_db <= -1


def test_the_timeline_conforms(delivery: Delivery, small_film: Path) -> None:
    timeline = opentimelineio.adapters.read_from_file(str(delivery.folder / "rain.otio"))

    assert timeline.global_start_time.to_timecode() == "09:59:58:00"
    assert [(track.name, track.kind, track.enabled) for track in timeline.tracks] == [
        ("Picture", "Video", True),
        ("Foley", "Audio", True),
        ("Take 1", "Audio", False),
        ("Take 2", "Audio", False),
        ("2-pop", "Audio", True),
    ]
    foley = [item for item in timeline.tracks[1] if isinstance(item, opentimelineio.schema.Clip)]
    places = [
        (clip.name, item.start_time.to_frames(), item.duration.to_frames())
        for clip in foley
        for item in [timeline.tracks[1].range_of_child(clip)]
    ]
    assert places == [("rain_001_T2", 50, 40), ("rain_002_T1", 90, 60)]
    media = foley[1].media_reference
    assert (delivery.folder / media.target_url).is_file()
    assert media.available_range.start_time.to_timecode() == "10:00:01:03"  # a handle of 12 frames
    assert foley[1].source_range.start_time.to_timecode() == "10:00:01:15"
    assert video_hash(delivery.folder / "rain_FOLEY.mp4") == video_hash(small_film)


def test_edl_aaf_and_reaper_hold_the_same_cuts(delivery: Delivery) -> None:
    edl = (delivery.folder / "rain.edl").read_text()
    assert "002  AX       V     C        10:00:00:00 10:00:04:00 10:00:00:00 10:00:04:00" in edl
    assert "004  AX       A     C        10:00:01:15 10:00:04:00 10:00:01:15 10:00:04:00" in edl
    assert "* FROM CLIP NAME: rain_002_T1.wav" in edl
    read = opentimelineio.adapters.read_from_file(str(delivery.folder / "rain.edl"), rate=25)
    assert [len(track.find_clips()) for track in read.tracks] == [3, 1]  # the 2-pop comes first

    aaf = opentimelineio.adapters.read_from_file(str(delivery.folder / "rain.aaf"))
    assert [track.kind for track in aaf.tracks] == ["Video", "Audio", "Audio", "Audio", "Audio"]
    clip = aaf.tracks[1].find_clips()[1]
    assert clip.source_range.start_time.to_timecode() == "10:00:01:15"
    assert clip.media_reference.target_url == (delivery.folder / "rain_002_T1.wav").as_uri()

    project = rpp.loads((delivery.folder / "rain.rpp").read_text())
    tracks = project.findall("TRACK")
    assert [track.find("NAME")[1] for track in tracks] == ["Picture", "Foley", "Take 1", "Take 2", "2-pop"]
    item = tracks[1].findall("ITEM")[1]
    values = [float(item.find(name)[1]) for name in ("POSITION", "LENGTH", "SOFFS")]
    assert values == pytest.approx([3.6, 2.4, 0.48])  # the project begins two seconds before the picture
    assert float(project.find("PROJOFFS")[1]) == 35998
    assert project.findall("MARKER")


def test_a_mix_keeps_the_own_sound_and_ducks_it(small_film: Path, stems: list[Stem], tmp_path: Path) -> None:
    own = tmp_path / "own.mov"
    tone = 0.1 * torch.sin(2 * torch.pi * 3000 / 48000 * torch.arange(4 * 48000))
    replace_audio(small_film, torch.stack([tone, tone]), own, sample_rate=48000, codec="pcm_s24le")
    loud = [replace(stem, gain_db=10.0) for stem in stems]
    settings = DeliverySettings(mix_gain_db=-6.0, duck_db=12.0)

    done = deliver(own, loud, tmp_path / "out", CLOCK, settings)

    mix, rate = soundfile.read(done.folder / "own_MIX.wav")
    foley = soundfile.read(done.folder / "own_FOLEY.wav")[0]
    assert mix.shape == (4 * 48000, 2)
    bed = mix[:, 0] - foley / np.sqrt(2)
    quiet, ducked = bed[round(0.2 * rate) :][:4800].std(), bed[round(0.65 * rate) :][:2400].std()
    assert quiet == pytest.approx(0.1 / np.sqrt(2) / 10 ** (6 / 20), rel=0.02)
    assert 20 * np.log10(quiet / ducked) == pytest.approx(12, abs=1)
    assert (done.folder / "own_MIX.mov").is_file()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name_pattern": "{video}_{take}"}, DataError, "gives 'rain_1' for shot 1, take 1 and for shot 2"),
        ({"name_pattern": "RAIN_Foley"}, DataError, "gives 'RAIN_Foley', which another file"),
        ({"name_pattern": "{film}"}, DataError, "is no pattern of names"),
        ({"name_pattern": "../{shot}_{take}"}, DataError, "no file name on every system"),
        ({"mix_gain_db": 0.0}, AudioError, "rain.mp4: has no sound to mix with"),
    ],
)
def test_what_cannot_be_delivered_leaves_nothing(
    small_film: Path,
    stems: list[Stem],
    tmp_path: Path,
    change: dict[str, float],
    error: type[CinefoleyError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        deliver(small_film, stems, tmp_path / "out", CLOCK, DeliverySettings(**change))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_pop_before_midnight_is_refused(small_film: Path, stems: list[Stem], tmp_path: Path) -> None:
    clock = TimecodeClock.of(Fraction(25), start="00:00:01:00")
    with pytest.raises(DataError, match="would be at 23:59:59:00, before midnight"):
        deliver(small_film, stems, tmp_path / "out", clock, SETTINGS)


def test_only_a_delivery_is_replaced(small_film: Path, stems: list[Stem], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        deliver(small_film, stems, out, CLOCK, overwrites=True)
    (out / "thesis.txt").rename(out / "old.delivery.json")
    with pytest.raises(OutputError, match="holds a delivery"):
        deliver(small_film, stems, out, CLOCK)
    done = deliver(small_film, stems, out, CLOCK, overwrites=True)
    assert "old.delivery.json" not in {path.name for path in out.iterdir()}
    assert done.gain.gain_db == 0
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_cannot_be_written_is_named(
    small_film: Path, stems: list[Stem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # the tests may run as root, who may write everywhere
    with pytest.raises(OutputError, match="out: cannot be written"):
        deliver(small_film, stems, tmp_path / "out", CLOCK)
