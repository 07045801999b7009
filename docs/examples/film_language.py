"""Contact sheet of the techniques of film language, as docs/film_language.md shows it.

    python docs/examples/film_language.py [--out docs/images/film_language.jpg]

One row for each technique and kind of light: ten frames of one clip of the stage, evenly spaced over 8 s.
The target of the sound is outlined where the clip's record calls it visible: in green where the contact is
visible too, in yellow where it is not.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.data.events.stage_events import stage_record
from cinefoley.data.sources.stage import StageClip
from cinefoley.variations import LightChange, Variation
from cinefoley.variations.techniques import TECHNIQUES

Picture = NDArray[np.uint8]

NUM_FRAMES = 10
DURATION_S = 8.0
FRAME = (90, 160)
LABEL_WIDTH = 130


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/film_language.jpg"))
    parser.add_argument("--clip", type=int, default=0, help="clip of the test split")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    clip = StageClip(seed=arguments.clip, split="test", duration_s=DURATION_S)
    rows: list[tuple[str, Variation]] = []
    for kind, make in TECHNIQUES.items():
        if make is LightChange:
            kinds = ("exposure", "temperature", "flash", "day_for_night")
            rows += [(light, replace(LightChange(), light=light)) for light in kinds]
        else:
            rows.append((kind, make()))
    sheet = np.concatenate([row(clip, name, variation, arguments.seed) for name, variation in rows])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 72])


def row(clip: StageClip, name: str, variation: Variation, seed: int) -> Picture:
    """Label and frames of one technique."""
    window = variation.draw(clip.frame_size(), generator=torch.Generator().manual_seed(seed))
    video = clip.video(fps=NUM_FRAMES / DURATION_S, window=window)
    record = stage_record(clip, window)
    pictures = []
    for frame, index in zip(video.frames, video.source_indices.tolist(), strict=True):
        picture = cv2.resize(frame.permute(1, 2, 0).numpy(), FRAME[::-1], interpolation=cv2.INTER_AREA)
        at = min(int(index / video_fps(clip) * record["fps"]), len(record["sources"][0]["is_visible"]) - 1)
        for source in record["sources"]:
            outline(picture, source, at, record["off_screen"], at / record["fps"])
        pictures.append(np.pad(picture, ((1, 1), (1, 1), (0, 0)), constant_values=255))
    label = np.full((FRAME[0] + 2, LABEL_WIDTH, 3), 255, np.uint8)
    cv2.putText(
        label, name.replace("_", " "), (4, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.concatenate([label, *pictures], axis=1)


def outline(
    picture: Picture,
    source: dict[str, list[list[float]]],
    at: int,
    off_screen: list[list[float]],
    time_s: float,
) -> None:
    """Outline the target in the picture, if it is visible."""
    if any(begin <= time_s < end for begin, end in off_screen):
        return
    height, width = FRAME
    x0, y0, x1, y1 = np.array(source["target_boxes"][at]) * [width, height, width, height]
    colour = (0, 220, 0) if source["is_visible"][at] else (230, 210, 0)
    cv2.rectangle(picture, (round(x0), round(y0)), (round(x1), round(y1)), colour, 1)


def video_fps(clip: StageClip) -> float:
    """Frames per second of the video that a stage clip stands for."""
    return float((24, 25, 30)[clip.seed % 3])


if __name__ == "__main__":
    main()
