"""The live benchmark: updates of profiles through gRPC while segments are kept."""
