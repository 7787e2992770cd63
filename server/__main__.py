"""The program `affilia`: the command line with the server's commands. In the repository also `python -m server …`."""

from server.grpc_core import prepare_grpc_core

prepare_grpc_core()


def main() -> None:
    """Runs the command line."""
    from affilia_cli import app
    from server.serving import add_commands

    app.main(add_commands)


if __name__ == "__main__":
    main()
