"""The identity index at full size: look-ups, loads, and what it takes of memory."""
