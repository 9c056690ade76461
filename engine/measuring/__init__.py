"""What is so of the numbers of an audience: totals by group, and how values are distributed."""
