"""What has been measured, for people: tables, a page, the figures in the README."""
