"""Benchmarks: `make bench` measures, `make test` runs each once for its answer."""
