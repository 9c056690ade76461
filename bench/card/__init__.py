"""What one profile costs, and the smallest calls."""
