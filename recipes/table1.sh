#!/usr/bin/env bash
# Table 1 of the paper on the Foley stage: the teacher, its student, and the encoder trained on close-ups with its
# pretraining loss and without a teacher; full view, close-ups, camera movements.
#
#     recipes/table1.sh                       # compute the missing scores, then print the table; resumes
#     recipes/table1.sh --part 2/3            # on the second of three machines; collect their scores/
#     AFRESH=1 recipes/table1.sh              # ignore the scores in the repository
#
# Each of 8,192 clips is used about three times: stage clips cost little, and a student learns more from new clips
# than from repeated ones. 12 denoising steps give the same metrics as 25. docs/log.md has the numbers for both.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${AFRESH:-}" ]; then
    OUT=${OUT:-runs/afresh}
else
    OUT=${OUT:-runs/results}
    mkdir -p "$OUT/scores"
    for scores in docs/results/scores/*.json; do
        [ -e "$OUT/scores/${scores##*/}" ] || cp "$scores" "$OUT/scores/"
    done
fi
exec .venv/bin/cinefoley reproduce table1 --data stage --model lite --train-clips 8192 --epochs 3.125 --steps 12 -o "$OUT" "$@"
