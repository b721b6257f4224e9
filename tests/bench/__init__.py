"""Tests of the benchmarks' machinery, on tiny models: no timing is asserted."""
