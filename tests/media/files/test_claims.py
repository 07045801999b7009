from pathlib import Path

from cinefoley.media.files.claims import claim_each


def test_a_slow_process_keeps_the_task_that_it_holds_and_leaves_the_others(tmp_path: Path) -> None:
    """Nothing is lost, nothing is done twice, and the quick one waits for the slow one at the end only."""
    done: list[int] = []
    slow, quick = (claim_each(range(10), tmp_path, str, done.__contains__) for _ in range(2))
    held = next(slow)
    for task in quick:
        done.append(task)
        if len(done) == 9:
            break
    assert held not in done
    done.append(held)
    assert list(slow) == list(quick) == []
    assert sorted(done) == list(range(10))
    assert list(tmp_path.iterdir()) == []


def test_the_task_of_a_process_that_ends_is_taken_over(tmp_path: Path) -> None:
    done: list[int] = []
    dying = claim_each(range(3), tmp_path, str, done.__contains__)
    next(dying)
    dying.close()
    for task in claim_each(range(3), tmp_path, str, done.__contains__):
        done.append(task)
    assert done == [0, 1, 2]
