"""Programs that show Strata at work."""
