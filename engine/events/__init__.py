"""The event index of one block: events of one type in compact chunks, read in place."""
