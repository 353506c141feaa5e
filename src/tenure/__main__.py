"""``python -m tenure`` is the command line."""

from tenure.cli.main import main

main()
