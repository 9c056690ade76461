"""One module for each section of the model file: its shape, its checks, what it becomes."""
