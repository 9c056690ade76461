"""The benchmark of lists: half of everybody as a bitmap and as uids, also through gRPC."""
