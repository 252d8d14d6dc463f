"""The command `gpt-tui`, and `python -m gpt_tui`. It looks at the clock first: a budget of minutes counts from here."""

import time

BEGAN = time.monotonic()

import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

# Threads that wait for each other by spinning are several times slower than one as soon as another program wants a
# core.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "100000")
os.environ.setdefault("TEXTUAL_FPS", "120")  # at its 60 a model's words wait for the frame after theirs


def main() -> None:
    try:
        if len(sys.argv) == 1 and sys.stdin.isatty() and sys.stdout.isatty():  # no command line to read: straight in
            gc.disable()  # the app lets it go on when its first frame stands
            from gpt_tui.app import run

            status = run()
        else:
            from gpt_tui import cli

            status = cli.run(sys.argv[1:], began=BEGAN)
    except KeyboardInterrupt:  # before there was anything to interrupt
        sys.stderr.write("gpt-tui: interrupted.\n")
        status = 130
    sys.exit(status)


if __name__ == "__main__":  # not in the processes that training spawns, which import this file too
    main()
