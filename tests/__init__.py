"""Tests by kind: unit, property, differential, wire, crash, typing, tidy."""
