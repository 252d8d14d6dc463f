"""Events as lines of JSON."""

from __future__ import annotations

import json
import math

from engine.events import Alternative, Eval, Start, Token, Warning, from_json, to_json


def test_alternatives_are_objects_with_names() -> None:
    event = Token(sample=0, id=3, text="a", probability=0.5, alternatives=(Alternative(3, "a", 0.5),))
    assert json.loads(to_json(event))["alternatives"] == [{"id": 3, "text": "a", "probability": 0.5}]


def test_fields_stand_in_their_order_with_the_event_first() -> None:
    line = to_json(Warning(elapsed=1.5, message="é"))
    assert line == '{"event": "warning", "elapsed": 1.5, "message": "é"}'


def test_what_is_no_finite_number_is_null_at_any_depth_and_comes_back() -> None:
    measured = {"loss": math.inf, "perplexities": [1.0, math.nan]}
    start = Start(name="n", path="p", corpus=measured, model={}, train={}, parameters={}, device="cpu")
    assert json.loads(to_json(start))["corpus"] == {"loss": None, "perplexities": [1.0, None]}
    event = Eval(step=1, tokens=1, val_loss=math.nan, perplexity=1, bits_per_byte=1, train_loss=1, best=False)
    back = from_json(to_json(event))
    assert isinstance(back, Eval) and math.isnan(back.val_loss)


def test_the_name_of_a_file_that_is_no_unicode_can_be_written_down() -> None:
    line = to_json(Warning(message="caf\udce9.txt: read as windows-1252"))
    assert line.encode("utf-8") and json.loads(line)["message"].startswith("caf\udce9")
