"""A tree of documents for Sphinx, the same each time."""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = (
    "project = 'pages'\nextensions = ['sphinx.ext.autosectionlabel']\nautosectionlabel_prefix_document = True\n"
)


def document(number: int, pages: int) -> str:
    """A page with something of everything."""
    lines = [f"Page {number}", "=" * 10, "", f".. _page-{number}:", ""]
    for section in range(6):
        lines += [f"Section {section} of {number}", "-" * 24, ""]
        other = f":doc:`a page <page{(number + section) % pages}>`"
        lines += [f"Some *text* with ``code``, **weight** and {other}. " * 4, ""]
        lines += [f"* item {item} of :ref:`index <top>`" for item in range(8)]
        lines += ["", ".. code-block:: python", "", f"    def function_{section}(a, b=({number}, 'text')):"]
        lines += [f"        return [a + {line} for a in b if a != {line}]" for line in range(6)]
        lines += ["", ".. list-table::", "", *(f"   * - {row}\n     - cell {row}" for row in range(6)), ""]
    return "\n".join(lines) + "\n"


def write_documents(folder: Path, pages: int) -> None:
    """Make FOLDER, with so many."""
    folder.mkdir()
    (folder / "conf.py").write_text(CONFIGURATION)
    for number in range(pages):
        (folder / f"page{number}.rst").write_text(document(number, pages))
    listed = "\n".join(f"   page{number}" for number in range(pages))
    (folder / "index.rst").write_text(f".. _top:\n\nIndex\n=====\n\n.. toctree::\n\n{listed}\n")
