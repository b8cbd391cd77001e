"""Start here: `python -m bot` is the `easel` command."""

from bot.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
