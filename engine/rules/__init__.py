"""Text to tree to bound tree; the canonical form; the reference evaluator."""
