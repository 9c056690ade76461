"""The model file: definitions, validation and versions."""
