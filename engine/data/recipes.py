"""Corpora that every Python carries: nothing is shipped, nothing fetched; what they say follows the interpreter."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.data.readers import Document, read_path
from engine.errors import CorpusError

_TESTS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


def python_reference() -> list[Document]:
    """The English of the language reference, as `help()` knows it: a document a topic, a line a paragraph.

    Grammar, code, tables and headings are left out, and so is what an earlier topic has said already: the topics share
    whole sections, and what is trained on must not stand in the part that is held out.
    """
    from pydoc_data.topics import topics

    documents, said = [], set()
    for topic in sorted(topics):
        prose = []
        for block in topics[topic].replace("\r\n", "\n").split("\n\n"):
            paragraph = " ".join(re.sub(r"-\n\s*", "-", block).split())
            if _is_prose(paragraph) and paragraph not in said:
                said.add(paragraph)
                prose.append(paragraph)
        if prose:
            documents.append(Document(f"help topic {topic}", partial(iter, ("\n\n".join(prose) + "\n",))))
    return documents


def _is_prose(paragraph: str) -> bool:
    """Whole sentences: a capital after a list's mark, five words or more, a stop, no grammar, few signs in between."""
    if not re.match(r"(\* |\d+\. |\(\d+\) )?[\"“'(*]{0,2}[A-Z]", paragraph):
        return False
    if not re.search(r"[.:!?;)\]”\"]$", paragraph):
        return False
    plain = sum(character.isalpha() or character in " .,;:'’\"()_-" for character in paragraph)
    return paragraph.count(" ") >= 4 and "::=" not in paragraph and plain >= 0.92 * len(paragraph)


def python_stdlib() -> list[Document]:
    """The standard library's source, a document a module, its tests left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    modules = sorted(path for path in root.rglob("*.py") if not _TESTS.intersection(path.relative_to(root).parts))
    documents = []
    for path in modules:
        try:
            documents.extend(read_path(path).documents)
        except CorpusError:  # an empty __init__.py
            continue
    if not documents:
        raise CorpusError("python-stdlib: this Python came without the source of its standard library.")
    return documents


RECIPES: dict[str, Callable[[], list[Document]]] = {
    "python-reference": python_reference,
    "python-stdlib": python_stdlib,
}
