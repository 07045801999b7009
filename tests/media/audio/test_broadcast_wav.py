from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import wavinfo

from cinefoley.errors import AudioError
from cinefoley.media.audio.broadcast_wav import BroadcastInfo, write_broadcast_wav
from cinefoley.media.audio.files import read_audio
from cinefoley.media.audio.writer import Subtype

INFO = BroadcastInfo(
    time_reference=48000 * 86399,  # more than 32 bits hold
    timecode_rate=Fraction(30000, 1001),
    is_drop_frame=True,
    description="rain, shot 1, take 2; Zürich",
    reference="rain_001_T2",
    created=datetime(2026, 12, 1, 10, 30),
    project="rain <final> & more",
    scene="1",
    take="2",
    track_names=("Foley",),
    note="model lite, seed 7",
)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 32)])
def test_another_reader_finds_what_was_written(tmp_path: Path, subtype: Subtype, bits: int) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, (1, 48001)).astype(np.float32)  # odd: chunks are padded
    path = tmp_path / "rain.wav"

    assert write_broadcast_wav(path, [sound[:, :10], sound[:, 10:]], 48000, INFO, subtype=subtype) == 48001

    found = wavinfo.WavInfoReader(path)
    assert found.fmt.sample_rate == 48000
    assert (found.fmt.bits_per_sample, found.data.frame_count) == (bits, 48001)
    bext = found.bext
    assert (bext.time_reference, bext.originator, bext.originator_ref) == (
        4147152000,
        "cinefoley",
        "rain_001_T2",
    )
    assert bext.description == "rain, shot 1, take 2; Z?rich"
    assert (bext.originator_date, bext.originator_time) == ("2026-12-01", "10:30:00")
    assert f"F=48000,W={bits},M=mono" in bext.coding_history
    ixml = found.ixml
    assert (ixml.project, ixml.scene, ixml.take) == ("rain <final> & more", "1", "2")
    assert [track.name for track in ixml.track_list] == ["Foley"]
    text = ixml.xml_str()
    assert "<TIMECODE_RATE>30000/1001</TIMECODE_RATE><TIMECODE_FLAG>DF</TIMECODE_FLAG>" in text
    assert "<NOTE>model lite, seed 7</NOTE>" in text
    again, _ = soundfile.read(path, dtype="float64")
    assert np.abs(again - sound[0]).max() <= {16: 2**-15, 24: 2**-23, 32: 0}[bits]
    assert read_audio(path)[0].shape == (1, 48001)


def test_channels_are_interleaved_and_bytes_depend_on_the_samples_alone(tmp_path: Path) -> None:
    sound = np.stack([np.full(100, 0.5), np.full(100, -0.25)]).astype(np.float32)
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        write_broadcast_wav(path, [sound], 48000, INFO, channels=2)

    assert np.array_equal(soundfile.read(paths[0], dtype="float32")[0].T, sound)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_is_no_sound_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="NaN or infinity"):
        write_broadcast_wav(tmp_path / "a.wav", [np.full((1, 9), np.nan, np.float32)], 48000, INFO)
    assert list(tmp_path.iterdir()) == []
