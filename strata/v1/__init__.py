"""The messages and stubs of the wire contract, generated from proto/strata/v1."""
