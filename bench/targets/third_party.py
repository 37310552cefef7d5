"""Work of other people's programs, in one thread and the same every time: black formats a folder, Sphinx builds one.

usage: third_party.py black|sphinx FOLDER [SITE]    SITE: where the packages lie

Waits for a line between READY and the work, so that a sampler can come; work() is where it all happens.
"""

import pathlib
import sys


def format_all(folder):
    import black

    mode = black.Mode(line_length=60)  # not its own: there is something to change
    for path in sorted(pathlib.Path(folder).rglob("*.py")):
        try:
            black.format_file_contents(path.read_text(encoding="utf-8"), fast=True, mode=mode)
        except black.NothingChanged:
            pass


def build_docs(folder):
    from sphinx.cmd.build import main

    status = main(["-q", "-E", "-a", "-b", "html", folder, folder + "/_build"])
    if status:
        raise SystemExit(status)


def work(name, folder):
    {"black": format_all, "sphinx": build_docs}[name](folder)


def main():
    sys.path[:0] = sys.argv[3:]
    __import__({"black": "black", "sphinx": "sphinx.cmd.build"}[sys.argv[1]])
    print("READY", flush=True)
    sys.stdin.readline()
    work(sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
