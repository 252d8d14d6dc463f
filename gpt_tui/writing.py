"""What a model writes, on its way out: to a terminal as it comes, to a file, to a program as JSON."""

from __future__ import annotations
