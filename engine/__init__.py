"""All that knows data and rules; imports nothing of the server, the loaders or the client."""
