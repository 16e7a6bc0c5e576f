"""Benchmarks: ``python -m benchmarks`` writes their tables and the README's figures."""
