"""Generation as a process: streams, stops, settings that change, what may come next; a generator that dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import ModelConfig, SampleConfig
from engine.data.tokenizer import train_tokenizer
from engine.errors import ConfigError, EngineError, ModelNotFoundError
from engine.events import SampleEnd, Token
from engine.generation.language_model import LanguageModel, load
from engine.generation.protocol import GeneratorClient, GeneratorLostError, Writing
from engine.generation.session import Session
from engine.model.gpt import GPT
from engine.training.trainer import train

TINY = ["n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4", "moments=0"]
PROMPT = "On day 3 the d"
LONG = 100_000  # tokens: more than any test waits for

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a tiny model, `novel`; this module's processes live in it."""
    folder = tmp_path_factory.mktemp("generator")
    text = folder / "novel.txt"
    who, what = ("dog", "cat", "hen"), ("ran to the gate", "sat by the café", "slept in the hay", "sang")
    text.write_text("".join(f"On day {n} the {who[n % 3]} {what[n % 4]}.\n" for n in range(300)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPT_TUI_HOME", str(folder / "home"))
        list(train(text, steps=60, device="cpu", settings=TINY))
        yield folder / "home"


@pytest.fixture(autouse=True)
def home(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPT_TUI_HOME", str(trained))
    return trained


@pytest.fixture(scope="module")
def novel(trained: Path) -> LanguageModel:
    """The same model, in this process."""
    return load(trained / "models/novel")


@pytest.fixture(scope="module")
def session(novel: LanguageModel) -> Session:
    return Session(novel)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def started(trained: Path, loop: asyncio.Runner) -> Iterator[GeneratorClient]:
    """One generator for all tests of this module."""
    client = GeneratorClient()
    yield client
    loop.run(client.close())


@pytest.fixture
def run(loop: asyncio.Runner) -> Run:
    return lambda work: loop.run(asyncio.wait_for(work, 60))


@pytest.fixture
def client(started: GeneratorClient, run: Run) -> GeneratorClient:
    """A generator that holds `novel` and is at rest."""

    async def ready() -> None:
        await started.start()
        await started.load("novel")
        await until(lambda: not started.writing)

    run(ready())
    return started


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.01)


async def read(writing: Writing) -> list[Token]:
    return [token for tokens in [batch async for batch in writing] for token in tokens]


def written(tokens: list[Token]) -> list[tuple[int, int, str]]:
    return [(token.sample, token.id, token.text) for token in tokens]


def test_a_stream_is_that_of_the_model(client: GeneratorClient, novel: LanguageModel, run: Run) -> None:
    for prompt in (PROMPT, "", "Zur Möwe \ud83e “", "On day 12 the cat sat by the caf" * 20):
        settings: dict[str, Any] = {"max_new_tokens": 60, "temperature": 1.1, "top_p": 0.95, "seed": 7}
        writing = client.generate(prompt, **settings)
        tokens = run(read(writing))
        expected = list(novel.stream(prompt, **settings))
        assert written(tokens) == written(expected)
        assert [t.probability for t in tokens] == pytest.approx([t.probability for t in expected], rel=1e-4)
        assert tokens[5].alternatives[0].text == expected[5].alternatives[0].text
        end = writing.ends[0]
        assert (end.text, end.seed, end.stop_reason) == ("".join(t.text for t in tokens), 7, "length")


def test_several_samples_come_side_by_side(client: GeneratorClient, novel: LanguageModel, run: Run) -> None:
    settings: dict[str, Any] = {"max_new_tokens": 30, "repetition_penalty": 1.3, "stop": ("gate",), "seed": 3}
    writing = client.generate(PROMPT, samples=3, **settings)
    tokens = run(read(writing))
    expected = list(novel.stream_samples(PROMPT, samples=3, **settings))
    assert written(tokens) == written([event for event in expected if isinstance(event, Token)])
    ends = {event.sample: (event.text, event.stop_reason) for event in expected if isinstance(event, SampleEnd)}
    assert {sample: (end.text, end.stop_reason) for sample, end in writing.ends.items()} == ends


def test_a_stop_is_quick_and_keeps_what_was_written(client: GeneratorClient, run: Run) -> None:
    async def write_and_stop() -> tuple[list[Token], Writing, float]:
        writing, tokens = client.generate(PROMPT, max_new_tokens=LONG), []
        began = 0.0
        async for batch in writing:
            tokens += batch
            if len(tokens) > 20 and not began:
                began = time.monotonic()
                writing.stop()
        return tokens, writing, time.monotonic() - began

    tokens, writing, seconds = run(write_and_stop())
    assert seconds < 2.0  # a token's time, on a busy machine
    assert len(tokens) < LONG / 10
    assert writing.ends[0].stop_reason == "stopped"
    assert writing.ends[0].tokens == len(tokens)
    assert writing.ends[0].text == "".join(token.text for token in tokens)
    assert not client.writing


def test_settings_change_while_it_writes(client: GeneratorClient, run: Run) -> None:
    def greedy(tokens: list[Token]) -> bool:
        return all(token.id == token.alternatives[0].id for token in tokens)

    async def write() -> list[Token]:
        writing, tokens, changed = client.generate(PROMPT, max_new_tokens=LONG, temperature=50.0, seed=1), [], 0
        async for batch in writing:
            tokens += batch
            config = writing.config
            if config.temperature > 1 and len(tokens) > 30:
                assert not greedy(tokens)
                writing.change(temperature=0.0)
                changed = len(tokens)
            elif config.temperature == 0 and config.repetition_penalty == 1 and greedy(tokens[-60:]):
                assert len(tokens) - 60 > changed
                writing.change(repetition_penalty=50.0)
            elif config.repetition_penalty > 1 and not greedy(tokens[-5:]):
                writing.change(max_new_tokens=1)  # it is longer already
        assert writing.ends[0].stop_reason == "length"
        return tokens

    tokens = run(write())
    assert len(tokens) < LONG
    with pytest.raises(ConfigError, match="top_p"):
        client.generate(PROMPT).change(top_p=7.0)


def test_what_comes_late_is_dropped(client: GeneratorClient, novel: LanguageModel, run: Run) -> None:
    async def write_twice() -> list[Token]:
        first = client.generate(PROMPT, max_new_tokens=LONG, temperature=50.0)
        async for _ in first:
            break
        first.close()
        second = client.generate(PROMPT, max_new_tokens=20, seed=5)
        tokens = await read(second)
        assert [batch async for batch in first] == []
        await until(lambda: not client.writing)
        return tokens

    assert written(run(write_twice())) == written(list(novel.stream(PROMPT, max_new_tokens=20, seed=5)))


def test_what_nobody_reads_any_more_is_stopped(client: GeneratorClient, run: Run) -> None:
    async def drop() -> None:
        async for _ in client.generate(PROMPT, max_new_tokens=LONG):
            break  # and nothing refers to it any more
        await until(lambda: not client.writing)

    async def cancel() -> None:
        task = asyncio.create_task(read(client.generate(PROMPT, max_new_tokens=LONG)))
        asking = asyncio.create_task(client.tokenize(PROMPT))
        await asyncio.sleep(0.05)
        task.cancel()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await until(lambda: not client.writing)
        assert (await client.tokenize(PROMPT)).ids

    run(drop())
    run(cancel())


def test_it_answers_while_it_writes(client: GeneratorClient, run: Run) -> None:
    async def ask() -> None:
        writing = client.generate(PROMPT, max_new_tokens=LONG)
        async for _ in writing:
            break
        assert await client.ping() < 5
        assert (await client.predict(PROMPT)).before
        both = await asyncio.gather(client.tokenize("the dog"), read(client.generate("The", max_new_tokens=5, seed=1)))
        assert len(both[1]) == 5
        assert not writing.over
        writing.close()

    run(ask())


def test_what_is_wrong_is_told_and_harms_nothing(client: GeneratorClient, run: Run) -> None:
    async def ask() -> None:
        with pytest.raises(ModelNotFoundError, match="Did you mean novel"):
            await client.load("novle")
        with pytest.raises(ModelNotFoundError, match="no checkpoint"):
            await client.load("novel", 12345)
        with pytest.raises(ConfigError, match="temperature"):
            client.generate(PROMPT, temperature=-1.0)
        with pytest.raises(ConfigError, match="samples"):
            await read(client.generate(PROMPT, samples=0))
        assert len(await read(client.generate(PROMPT, max_new_tokens=3))) == 3  # the model is still there

    run(ask())


def test_weights_are_read_anew_when_training_has_saved_them(client: GeneratorClient, home: Path, run: Run) -> None:
    async def load_thrice() -> list[list[str]]:
        said: list[list[str]] = [[], [], []]
        await client.load("novel", progress=said[0].append)
        (home / "models/novel/weights.safetensors").touch()
        for words in said[1:]:
            await client.load("novel", progress=words.append)
        await client.ping()
        return said

    assert run(load_thrice()) == [[], ["Reading novel"], []]
    assert client.model is not None
    assert (client.model.name, client.model.tokenizer) == ("novel", "bpe")
    assert client.model.model["block_size"] == 32


def test_a_generator_that_was_killed_is_brought_back(client: GeneratorClient, novel: LanguageModel, run: Run) -> None:
    async def die() -> None:
        writing = client.generate(PROMPT, max_new_tokens=LONG)
        await anext(writing)
        assert client.pid is not None
        os.kill(client.pid, getattr(signal, "SIGKILL", 9))
        waiting = asyncio.create_task(client.tokenize("x"))
        with pytest.raises(GeneratorLostError, match=r"was killed \(SIGKILL\)|ended with status"):
            await read(writing)
        with pytest.raises(GeneratorLostError):
            await waiting
        assert not client.alive
        assert client.model is None
        for call in (client.ping(), client.predict("x"), client.load("novel")):
            with pytest.raises(GeneratorLostError):
                await call
        with pytest.raises(GeneratorLostError):
            client.generate("x")

    run(die())
    assert run(client.restart()).name == "novel"
    tokens = run(read(client.generate(PROMPT, max_new_tokens=9, seed=2)))
    assert written(tokens) == written(list(novel.stream(PROMPT, max_new_tokens=9, seed=2)))


def test_it_ends_with_whoever_started_it(client: GeneratorClient) -> None:
    for seconds in (0.0, 0.5):  # while it begins, and in the middle of importing torch
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.generation.generator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )
        time.sleep(seconds)
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_nothing_is_asked_of_a_generator_without_a_model(run: Run) -> None:
    async def ask() -> None:
        client = GeneratorClient()
        with pytest.raises(GeneratorLostError, match="not been started"):
            client.generate("x")
        await asyncio.gather(client.start(), client.start())
        assert await client.ping() < 20
        with pytest.raises(EngineError, match="No model"):
            await read(client.generate("x"))
        assert await client.restart() is None
        await client.close()
        await client.close()
        assert not client.alive

    run(ask())


# What may come next


@pytest.mark.parametrize("prompt", ["On day 3 the d", "On day 3 the", "On day 3 the ", "", "On day 3 the dog ran"])
def test_a_prediction_is_what_is_written(session: Session, prompt: str) -> None:
    """With settings and without, how often a text comes first in many samples is what was predicted of it."""
    config = SampleConfig(max_new_tokens=1, temperature=1.3, top_k=12, min_p=0.02, repetition_penalty=1.2, seed=1)
    prediction = session.predict(prompt, config, top=10_000)
    expected: Counter[str] = Counter()
    for alternative in prediction.after:
        expected[alternative.text] += alternative.probability
    assert sum(expected.values()) == pytest.approx(1.0, abs=1e-4)
    counts: Counter[str] = Counter()
    for seed in (1, 1000, 2000, 3000):
        _, events, _ = session.write(prompt, SampleConfig(**{**vars(config), "seed": seed}), 256)
        for event in events:
            if isinstance(event, Token):
                counts[event.text] += 1
    off = sum(abs(counts[text] / 1024 - expected[text]) for text in counts | expected) / 2
    assert off < 0.1  # 1,024 draws of at most a few dozen texts: about 0.03 by chance
    assert sum(alternative.probability for alternative in prediction.before) == pytest.approx(1.0, abs=1e-3)


def test_settings_shape_a_prediction(client: GeneratorClient, run: Run) -> None:
    plain = run(client.predict(PROMPT, temperature=1.0))
    assert len(plain.before) == len(plain.after) == 20
    assert [a.probability for a in plain.before] == sorted((a.probability for a in plain.before), reverse=True)
    cold = run(client.predict(PROMPT, temperature=0.0))
    assert cold.possible == 1
    assert cold.after[0].probability == pytest.approx(1.0)
    assert cold.before == plain.before
    few = run(client.predict(PROMPT, temperature=1.0, top_p=0.5))
    assert few.possible < plain.possible


# What it reads, and which words could have been


def _speller(kind: str) -> Session:
    """A model that knows nothing, with tokens of one kind."""
    text = "Once upon a time there was a café — “Zur Möwe” — by the old gate.\n"
    tokenizer = train_tokenizer(kind, [text] * 3, 300)
    torch.manual_seed(1)
    model = GPT(ModelConfig(vocab_size=tokenizer.vocab_size, block_size=16, n_layer=1, n_head=2, n_embd=16)).eval()
    return Session(LanguageModel(model, tokenizer))


@pytest.mark.parametrize("kind", ["bpe", "byte", "word"])
@pytest.mark.parametrize(
    "text", ["", "Once", "Once upon a zeppelin, naïve 🦀 café  ", "By the old gate — " * 30, "a\r\nb\tc\n\n  d"]
)
def test_pieces_are_the_text_and_the_context_its_end(kind: str, text: str) -> None:
    session = _speller(kind)
    found = session.tokenize(text)
    assert "".join(found.texts) == text
    assert found.ids == session.tokenizer.encode(text)
    assert len(found.ids) == len(found.texts)
    assert found.sent <= found.room == 16
    assert text.startswith("".join(found.texts[: found.first]))
    assert found.begins == len("".join(found.texts[: found.first]))
    if len(found.ids) > 100:
        assert found.begins > len(text) / 2  # three quarters of a context, at most, are of its end
        assert found.sent >= 12
    else:
        assert found.first == 0 or len(found.ids) >= 16
    assert found.unknown == [i for i, id_ in enumerate(found.ids) if id_ == session.tokenizer.unknown]


@pytest.mark.parametrize("kind", ["bpe", "byte", "word"])
def test_scores_are_the_models_probabilities(kind: str) -> None:
    session = _speller(kind)
    text = "Once upon a time there was a café — “Zur Möwe”, by the gate of a zeppelin." * 2
    ids = session.tokenizer.encode(text)
    scores = session.score(text).tokens
    assert [token.id for token in scores] == ids
    assert "".join(token.text for token in scores) == text
    assert all(text[token.position :].startswith(token.text) for token in scores)
    read_ = [session.tokenizer.end_of_text, *ids]
    first = session.model.logits(read_[:16]).softmax(dim=-1)
    assert [t.probability for t in scores[:16]] == pytest.approx([float(first[i, ids[i]]) for i in range(16)], rel=1e-4)
    likeliest = first[3].topk(8)
    assert [a.probability for a in scores[3].alternatives] == pytest.approx(likeliest.values.tolist(), rel=1e-4)
    last = session.model.logits(read_[len(ids) - 16 : len(ids)]).softmax(dim=-1)[-1]
    (alone,) = session.score(text, scores[-1].position).tokens  # with all of a context before it
    assert alone.probability == pytest.approx(float(last[ids[-1]]), rel=1e-4)
    assert session.score(text, len(text)).tokens == []


def test_scores_go_over_the_pipe(client: GeneratorClient, session: Session, run: Run) -> None:
    text = "On day 3 the dog sat by the café."
    scores = run(client.score(text, 9))
    assert [(t.text, t.position) for t in scores] == [(t.text, t.position) for t in session.score(text, 9).tokens]
    assert scores[0].alternatives[0].text
    assert run(client.tokenize(text)) == session.tokenize(text)
