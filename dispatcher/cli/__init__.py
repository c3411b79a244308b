"""The command line: one module for each family of commands, thin over the library.

A wrong call ends with exit code 2, a refused or failed job with 1, each with one line
on stderr. It never imports `workers` but to run one.
"""

from dispatcher.cli.entry import main

__all__ = ["main"]
