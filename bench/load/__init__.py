"""The benchmark of loads: files into an empty store, the same again, and opening what came out."""
