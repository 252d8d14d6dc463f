"""Requests and their answers: whose text it is, where it ends, and what is dropped."""

from __future__ import annotations

import asyncio
import random

import pytest
from scripted import BLOCK, ScriptedClient, ScriptedGenerator

from engine.events import Token
from gpt_tui.drafting import composing
from gpt_tui.drafting.composing import Composer, Request, Sight, Tries, Try
from gpt_tui.drafting.endings import Ending


def pushed(until: str, text: str, before: str = "") -> tuple[str, bool]:
    """The text in pieces of any length: what was shown of it, and whether its end was reached."""
    ending, shown = Ending(until, before), ""
    while text:
        length = random.randint(1, 6)
        shown += ending.push(text[:length])
        text = text[length:]
        if ending.over:
            return shown, True
    return shown + ending.finish(), False


SENTENCES = [
    (" went home. Then he slept.", " went home.", True),
    (". Then he met Mr. Smith. And so on", ". Then he met Mr. Smith.", True),
    (' "Stop!" he cried. Then', ' "Stop!" he cried.', True),
    (' he said, "Stop." And', ' he said, "Stop."', True),
    (" J. R. Tolkien wrote it… in the end. So", " J. R. Tolkien wrote it… in the end.", True),
    (" it was 3.14 and no more", " it was 3.14 and no more", False),
    ("彼は言った。そして", "彼は言った。", True),
    (" the end.", " the end.", False),
]


@pytest.mark.parametrize(("text", "shown", "over"), SENTENCES)
def test_a_sentence_ends_where_a_reader_says_so(text: str, shown: str, over: bool) -> None:
    for _ in range(20):
        assert pushed("sentence", text) == (shown, over)


@pytest.mark.parametrize(
    ("text", "before", "shown"),
    [
        ("\n\nHe went.\nOn and on.\n\nThen", "", "\n\nHe went.\nOn and on."),
        (" he went.\r\n\r\nThen", "", " he went."),
        (" he went\nthen", "A line\nand another\nand", " he went"),
    ],
)
def test_a_paragraph_ends_as_paragraphs_do_in_this_text(text: str, before: str, shown: str) -> None:
    for _ in range(20):
        assert pushed("paragraph", text, before) == (shown, True)


def test_nothing_is_lost_of_what_has_no_end() -> None:
    text = "No end. yet. Or\nis there"
    for until in ("length", "paragraph"):
        assert pushed(until, text) == (text, False)


def request(draft: str = "a", **changes: object) -> Request:
    settings = {"max_new_tokens": 5, "seed": 7}
    given = {"draft": draft, "kind": "continuation", "model": "novel", "checkpoint": "best", "prompt": "Once"}
    return Request(**{**given, "settings": settings, **changes})  # type: ignore[arg-type]


class Shown:
    """What the screen was told."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {}

    def __call__(self, request: Request, new: list[str]) -> None:
        self.text[request.draft] = self.text.get(request.draft, "") + new[0]


@pytest.mark.asyncio
async def test_what_is_written_is_told_and_kept() -> None:
    shown, asked = Shown(), request()
    await Composer(ScriptedGenerator()).write(asked, shown)
    assert asked.reason == "length" and shown.text["a"] == asked.texts[0] == " w7.0 w7.1 w7.2 w7.3 w7.4"
    assert len(asked.tokens[0]) == 5


@pytest.mark.asyncio
async def test_another_request_ends_the_one_before_and_nothing_of_it_arrives_late() -> None:
    generator, shown = ScriptedGenerator(), Shown()
    generator.client.gate.clear()
    composer = Composer(generator)
    first = asyncio.create_task(composer.write(request("a"), shown))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(composer.write(request("b"), shown))
    await asyncio.sleep(0.01)
    generator.client.gate.set()
    await asyncio.gather(first, second)
    assert "a" not in shown.text and shown.text["b"].endswith("w7.4")
    assert generator.client.writings[0].closed


@pytest.mark.asyncio
async def test_a_stop_is_felt_at_once_also_while_the_model_is_loaded() -> None:
    generator, shown = ScriptedGenerator(), Shown()
    loading = asyncio.Event()
    real = generator.ready

    async def slow(*names: str, **more: object) -> ScriptedClient:
        await loading.wait()
        return await real(*names, **more)

    generator.ready = slow  # type: ignore[method-assign, assignment]
    composer = Composer(generator)
    task = asyncio.create_task(composer.write(request(), shown))
    await asyncio.sleep(0.01)
    stopped = composer.stop()
    assert stopped is not None and stopped.over and composer.current is None
    loading.set()
    await task
    assert generator.client.writings == [] and shown.text == {}


@pytest.mark.asyncio
async def test_settings_changed_while_it_writes_reach_it() -> None:
    generator = ScriptedGenerator()
    generator.client.gate.clear()
    composer = Composer(generator)
    task = asyncio.create_task(composer.write(request(), Shown()))
    await asyncio.sleep(0.01)
    composer.change({"temperature": 1.5, "until": "sentence", "seed": 3})
    generator.client.gate.set()
    await task
    assert generator.client.writings[0].changes == [{"temperature": 1.5}]


@pytest.mark.asyncio
async def test_it_ends_with_the_sentence() -> None:
    generator = ScriptedGenerator()
    script = [" He", " went", " home", ".", " Then", " he"]
    generator.client.script = lambda seed, number: script[number % len(script)]
    asked = request(until="sentence", settings={"max_new_tokens": 50, "seed": 1})
    await Composer(generator).write(asked, Shown())
    assert (asked.texts[0], asked.reason) == (" He went home.", "sentence")
    assert generator.client.writings[0].closed


def test_a_new_try_has_a_seed_that_was_not_used() -> None:
    tries = Tries(0, "")
    for seed in (7, 8, 8):
        tries.add(Try(f"text {seed}", seed, []))
    assert tries.next_seed == 9 and tries.index == 2
    assert tries.step(1) is tries.tries[0] and tries.stands("text 7 and more") and not tries.stands("text 8")


def test_tokens_are_found_where_they_stand() -> None:
    def a_try(text: str, *pieces: str) -> Try:
        return Try(text, 1, [Token(sample=0, id=1, text=piece, probability=0.5) for piece in pieces])

    tries = [a_try(" a dog", " a", " dog"), a_try(" a cat.", " a", " cat", ". Th"), a_try(" gone", " gone")]
    found = composing.placed(tries, "I saw a dog and a cat.")
    assert [(token.position, token.text) for token in found] == [(5, " a"), (7, " dog"), (15, " a"), (17, " cat")]


def test_values_that_cannot_be_give_way_to_the_usual_ones() -> None:
    usual = {"temperature": 0.8, "top_k": 50, "seed": None, "until": "length"}
    kept = {"temperature": -3, "top_k": 10, "until": "dawn", "seed": "x", "nonsense": 1}
    assert composing.checked(kept, usual) == {**usual, "top_k": 10}
    fields, until = composing.sample_settings({"temperature": 0.5, "seed": None, "until": "paragraph"})
    assert until == "paragraph" and isinstance(fields["seed"], int)


@pytest.mark.asyncio
@pytest.mark.parametrize("words", [0, 3, BLOCK, 2_000])
async def test_sight_begins_where_the_model_says_whatever_was_sent(words: int) -> None:
    generator = ScriptedGenerator()
    client = await generator.ready("novel")
    text = " ".join(f"word{n}" for n in range(words))
    for _ in range(3):
        seen, begins = await Sight().look(client, text)  # type: ignore[arg-type]
        start = begins + seen.begins
        assert len(text[start:].split()) == min(words, BLOCK)
