"""The data sets of the benchmarks: made from a seed, kept as Parquet, and loaded into stores."""
