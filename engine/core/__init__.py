"""Runs bound programs over blocks: the planner, the kernels, the evaluator."""
