"""Changes of the feed, delivered to other systems by HTTP."""
