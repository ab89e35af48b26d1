"""Measurements of ms_gan: see docs/benchmarks.md."""
