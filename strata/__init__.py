"""Strata's public face: the client, its answers and errors, and the command line.

`strata.client.Client` talks to a server; `strata.v1` holds the messages of the wire. Neither
needs anything but grpcio and protobuf.
"""
