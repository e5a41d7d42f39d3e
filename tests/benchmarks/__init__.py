"""Benchmarks: what a part of the product costs, as ratios to a yardstick measured in the same run."""
