"""What is remembered, and for how long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from models.portrait.recent import Recent


def test_a_result_is_made_once_and_the_oldest_is_forgotten() -> None:
    made: list[int] = []

    def square(k: int) -> int:
        made.append(k)
        return k * k

    recent: Recent[int] = Recent(2)
    for k in (1, 2, 1, 3, 1, 2):
        assert recent.get(k, partial(square, k)) == k * k
    assert made == [1, 2, 3, 2], "1 was used again before 3 came, so 2 was the oldest"


def test_threads_that_share_it_get_their_own_results() -> None:
    recent: Recent[int] = Recent(3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: recent.get(k % 7, lambda: -(k % 7)), range(4000)))
    assert found == [-(k % 7) for k in range(4000)]
