"""The house rules that a program can check, each shown a fault first and then the project."""
