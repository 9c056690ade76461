"""Profiles, columns and models in LMDB: layout, checksums, snapshots, safe creation."""
