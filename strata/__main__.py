"""`python -m strata`: the command line."""

from strata.cli.main import main

main()
