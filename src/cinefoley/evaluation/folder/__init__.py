"""Evaluation of any folder of generated audio against reference audio.

Start at :func:`~cinefoley.evaluation.folder.evaluate.evaluate_folders`: ``pairing`` finds the files,
``features`` embeds them, ``comparison`` computes distribution metrics, ``per_clip_scores`` adds metrics that
are computed sound by sound (``alignment``, ``synchrony``), ``report`` prints the result.
"""
