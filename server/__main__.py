"""`python -m server …`, or `affilia …` in the environment that `make setup` makes: the command line."""

from server.command_line.app import main

if __name__ == "__main__":
    main()
