"""Which lengths lie together in a row: best-fit decreasing on a histogram of lengths.

Packing lengths instead of texts (Krell et al. 2021, arXiv:2107.02027) takes as long for a hundred
million texts as for a thousand, and needs as many rows whichever texts of a length are put in.
"""

from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray

Pattern = tuple[int, ...]
"""The lengths in one row."""


def pack(histogram: NDArray[np.integer]) -> list[tuple[Pattern, int]]:
    """Return patterns, none longer than a row, and how many rows have each.

    `histogram` is (row length + 1,): how many texts have 0, 1, 2, … tokens. Together the patterns
    hold every text once. Each length, the longest first, goes where the least room remains.
    """
    row = len(histogram) - 1
    groups: dict[int, list[tuple[Pattern, int]]] = {row: [((), int(histogram.sum()))]}
    rooms = [row]

    def put(room: int, pattern: Pattern, rows: int) -> None:
        if rows:
            if room not in groups:
                insort(rooms, room)
                groups[room] = []
            groups[room].append((pattern, rows))

    for size in map(int, np.flatnonzero(histogram)[::-1]):
        left = int(histogram[size])
        while left:
            room = rooms[bisect_left(rooms, size)]
            pattern, rows = groups[room].pop()
            if not groups[room]:
                del groups[room]
                rooms.remove(room)
            fits = room // size
            full = min(rows, left // fits)
            left -= full * fits
            put(room - fits * size, pattern + (size,) * fits, full)
            if full < rows:  # then fewer are left than one row takes
                put(room - left * size, pattern + (size,) * left, 1 if left else 0)
                put(room, pattern, rows - full - (1 if left else 0))
                left = 0
    return [group for room in rooms for group in groups[room] if group[0]]
