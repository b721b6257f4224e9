import resource

import pytest
import torch

from trainer import heap

BLOCK = 1 << 24
"""Numbers in a block of 64 MiB."""


def faults() -> int:
    """Pages that the system had to hand out for five blocks, one after the other."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(BLOCK)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_what_is_freed_is_used_again_and_given_back_at_the_end():
    if not hasattr(heap.ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("another C library than glibc")
    with heap.kept():
        kept = min(faults() for _ in range(6))  # the first blocks find no hole to lie in
    assert kept < faults() / 2


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: object())
    with heap.kept():
        assert torch.ones(3).sum() == 3
