"""Why one profile satisfies an expression or not: truth, values, evidence, and what is missing."""
