"""The paper's tables: experiments, reproduction and reports.

Start at :func:`~cinefoley.evaluation.paper.reproduction.reproduce_table`: ``tables`` says what is compared,
``encoder_training`` trains, ``experiment`` generates and measures takes, ``method_scores`` summarises them,
``score_store`` stores the scores, ``claims`` and ``table_report`` print them beside the paper's.
"""
