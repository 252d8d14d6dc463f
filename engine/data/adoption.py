"""The tokenizers of other programs' models: which of them can be used here, and as what.

Byte-level BPE can, however it cuts a text (GPT-2, Llama 3, Qwen): every text comes back from it. What changes a text
first, or has no token for some byte, cannot.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.data.tokenizer import END_OF_TEXT, Tokenizer, byte_characters, cuts_as_ours, parsed, read_json
from engine.errors import DamagedModelError, RequestError


def adopt(path: Path, *, end_of_text: int | None) -> Tokenizer:
    """The tokenizer in a `tokenizer.json` of others, or of ours. `end_of_text` is the id of the token that ends a text
    there: where none is called as ours is, that one is from here on.

    Raises `RequestError` on one that cannot be used, `DamagedModelError` on what is no tokenizer.
    """
    text = read_json(path)
    try:
        description = json.loads(text)
        wrong = _why_not(description)
        renamed = not wrong and _rename_end(description, end_of_text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedModelError(f"{path}: damaged, no tokenizer can be read from it.") from None
    if wrong:
        raise RequestError(f"{path}: {wrong}; only byte-level BPE from which every text comes back can be used.")
    return parsed(json.dumps(description, ensure_ascii=False, indent=2) if renamed else text, path)


def _why_not(description: dict[str, Any]) -> str:
    """Why it cannot be used; nothing when it can."""
    model, normalizer = description["model"], description.get("normalizer")
    split, decoder = description.get("pre_tokenizer") or {}, description.get("decoder") or {}
    parts, added = split.get("pretokenizers", [split]), description["added_tokens"]
    if model.get("type") in ("BPE", "WordLevel") and cuts_as_ours(description):
        return ""
    if model.get("type") != "BPE":
        return f"it is a {model.get('type')} tokenizer"
    if not parts or parts[-1].get("type") != "ByteLevel" or decoder.get("type") != "ByteLevel":
        return "it does not work on bytes"
    if normalizer and normalizer.get("type") != "NFC":
        return f"it changes the text first ({normalizer.get('type')})"
    if any(part.get("type") == "ByteLevel" and part.get("add_prefix_space", True) for part in parts):
        return "it puts a space before every text"
    if model.get("dropout") or model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        return "its merges depend on more than the bytes"
    if any(not token["special"] and (token.get("lstrip") or token.get("rstrip")) for token in added):
        return "some of its tokens swallow the spaces beside them"
    if missing := sum(character not in model["vocab"] for character in byte_characters()):
        return f"it lacks {missing} of the 256 bytes"
    return ""


def _rename_end(description: dict[str, Any], end_of_text: int | None) -> bool:
    """Call the token that ends a text as ours is called. False when one is called so already."""
    tokens, model = description["added_tokens"], description["model"]
    if END_OF_TEXT in model["vocab"] or any(token["content"] == END_OF_TEXT for token in tokens):
        return False
    end = next((token for token in tokens if token["id"] == end_of_text), None)
    if end is None:
        raise RequestError(
            f"The tokenizer has no token that ends a text: neither {END_OF_TEXT} nor the eos_token_id of config.json."
        )
    old = end["content"]
    end |= {"content": END_OF_TEXT, "special": True}
    model["vocab"] = {END_OF_TEXT if token == old else token: id_ for token, id_ in model["vocab"].items()}
    if model.get("unk_token") == old:
        model["unk_token"] = END_OF_TEXT
    return True
