"""The benchmarks behind docs/benchmarks.md, and the soak."""
