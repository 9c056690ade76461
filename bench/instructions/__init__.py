"""Instructions that the evaluator takes for a few questions, held against stored figures."""
