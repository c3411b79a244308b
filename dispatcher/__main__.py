"""`python -m dispatcher`: the command line, where no script is installed."""

from dispatcher.cli import main

if __name__ == "__main__":
    main()
