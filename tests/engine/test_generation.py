"""Writing: prompts and how they end, streams, samples, stop texts, seeds, long texts, wrong requests."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import locations
from engine.config import ModelConfig, TrainConfig
from engine.data.tokenizer import Tokenizer, train_tokenizer
from engine.errors import ConfigError, DamagedModelError, DeviceError, EngineError, ModelNotFoundError, RequestError
from engine.events import SampleEnd, Token, to_json
from engine.generation.language_model import LanguageModel, load
from engine.generation.visible import VisibleText
from engine.model.gpt import GPT
from engine.store import checkpoint
from engine.store.models import ModelRecord, write_record

TEXT = """Once upon a time there was a café — “Zur Möwe” — by the old gate. The hen who cooked there sang:

"Come in, come in! Tomorrow's soup is today's." But nobody came, and the soup grew cold.
"""


def _learned(kind: str) -> LanguageModel:
    """A model that knows one text by heart, from its beginning and with or without the end-of-text before it."""
    tokenizer = train_tokenizer(kind, [TEXT] * 3, 330)
    ids = tokenizer.encode(TEXT)
    torch.manual_seed(1)
    model = GPT(ModelConfig(vocab_size=tokenizer.vocab_size, block_size=256, n_layer=1, n_head=2, n_embd=64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    end = tokenizer.end_of_text
    rows = torch.tensor([[end, *ids, end], [*ids, end, end]])
    targets = rows[:, 1:].clone()
    targets[1, -1] = -100
    loss = math.inf
    while loss > 0.02:
        losses = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
        loss = losses.item()
    return LanguageModel(model.eval(), tokenizer, name="parrot", documents=2)


@pytest.fixture(scope="module")
def parrot() -> LanguageModel:
    return _learned("bpe")


def _random(family: str = "qwen3", *, documents: int = 1, kind: str = "bpe", **shape: Any) -> LanguageModel:
    """A model that knows nothing and is sure of much."""
    tokenizer = train_tokenizer(kind, [TEXT] * 3, 330)
    torch.manual_seed(2)
    shape = {"block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 32, **shape}
    model = GPT(ModelConfig(family=family, vocab_size=tokenizer.vocab_size, **shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return LanguageModel(model, tokenizer, documents=documents)


@pytest.fixture(scope="module")
def babbler() -> LanguageModel:
    return _random()


def _ends(events: Iterator[Token | SampleEnd]) -> dict[int, SampleEnd]:
    return {event.sample: event for event in events if isinstance(event, SampleEnd)}


# ---------------------------------------------------------------------------------------------- prompts and their ends


def test_wherever_a_prompt_breaks_off_the_text_goes_on(parrot: LanguageModel) -> None:
    """In the middle of words, after spaces, before accents: as if the prompt had been written whole."""
    for cut in range(len(TEXT) + 1):
        assert parrot.generate(TEXT[:cut], temperature=0, max_new_tokens=250) == TEXT[cut:], TEXT[:cut]


def test_bytes_and_words_go_on_at_their_borders() -> None:
    byte, word = _learned("byte"), _learned("word")
    for cut in range(0, len(TEXT), 7):
        assert byte.generate(TEXT[:cut], temperature=0, max_new_tokens=300) == TEXT[cut:], TEXT[:cut]
    for cut in (
        0,
        TEXT.index(" upon"),
        TEXT.index(" was"),
        TEXT.index("”"),
        TEXT.index(" Tom"),
        TEXT.index(" in!") + 3,
    ):
        assert word.generate(TEXT[:cut], temperature=0) == TEXT[cut:]
    after_a_space = TEXT.index("time")
    assert word.generate(TEXT[:after_a_space], temperature=0) == TEXT[after_a_space:]


def test_an_unknown_word_is_read_and_never_written() -> None:
    model = _random(kind="word", block_size=64)
    assert model.tokenizer.unknown in model.tokenizer.encode("Once upon a zeppelin")
    text = model.generate("Once upon a zeppelin", temperature=3.0, max_new_tokens=300, seed=1)
    assert text and "<|unknown|>" not in text


def test_an_empty_prompt_begins_a_document_and_the_document_ends(parrot: LanguageModel) -> None:
    events = list(parrot.stream_samples("", temperature=0))
    end = events[-1]
    assert isinstance(end, SampleEnd) and end.stop_reason == "end_of_text" and end.text == TEXT
    last = events[-2]
    assert isinstance(last, Token) and last.id == parrot.tokenizer.end_of_text and last.text == ""
    assert end.tokens == len(events) - 1 == len(parrot.tokenizer.encode(TEXT)) + 1


def test_who_learned_from_one_document_never_ends_it(parrot: LanguageModel) -> None:
    alone = LanguageModel(parrot.model, parrot.tokenizer, documents=1)
    assert _ends(alone.stream_samples(TEXT, temperature=0, max_new_tokens=20))[0].stop_reason == "length"


@pytest.mark.parametrize(
    "prompt", [" ", "   ", "\n", "\n\n\n", "x" * 100, "\U0001f980", "a\u0301", "<|endoftext|>", "\ud800"]
)
def test_no_prompt_is_too_odd(babbler: LanguageModel, prompt: str) -> None:
    assert len(list(babbler.stream(prompt, max_new_tokens=5, seed=1))) == 5


def test_the_alternatives_of_a_broken_word_are_its_other_endings(parrot: LanguageModel) -> None:
    first = next(parrot.stream("Once upon a ti", temperature=0))
    assert first.text == "me" and first.probability > 0.9
    assert first.alternatives[0] == (first.id, "me", first.probability)
    assert sum(alternative.probability for alternative in first.alternatives) == pytest.approx(1.0, abs=0.05)


# ---------------------------------------------------------------------------------------------- streams


def test_a_stream_gives_what_generate_returns(babbler: LanguageModel) -> None:
    options: dict[str, Any] = {"max_new_tokens": 60, "seed": 3, "top_p": 0.9}
    tokens = list(babbler.stream("Once", **options))
    assert "".join(token.text for token in tokens) == babbler.generate("Once", **options)
    assert len(tokens) == 60


def test_a_token_tells_how_likely_it_and_others_were(babbler: LanguageModel) -> None:
    """In the model's own distribution, whatever the temperature and what was left out."""
    ids = babbler.tokenizer.encode("Once upon a time")
    for token in babbler.stream("Once upon a time", temperature=5.0, top_k=3, max_new_tokens=8, seed=1):
        expected = babbler.logits(ids).softmax(dim=-1)[-1]
        assert token.probability == pytest.approx(float(expected[token.id]), abs=1e-5)
        likeliest = expected.topk(8)
        assert [alternative.id for alternative in token.alternatives] == likeliest.indices.tolist()
        assert [alternative.probability for alternative in token.alternatives] == pytest.approx(
            likeliest.values.tolist(), abs=1e-5
        )
        assert token.alternatives[0].text == babbler.tokenizer.decode([token.alternatives[0].id])
        ids.append(token.id)


def test_characters_come_whole(parrot: LanguageModel) -> None:
    tokens = list(parrot.stream("Once", temperature=0))
    assert "\ufffd" not in "".join(token.text for token in tokens)
    assert any(token.text == "" for token in tokens)  # half a dash


def test_streams_that_are_read_in_turn_do_not_mix(babbler: LanguageModel) -> None:
    options: dict[str, Any] = {"max_new_tokens": 30, "seed": 1}
    pairs = list(zip(babbler.stream("Once", **options), babbler.stream("The hen", **options), strict=True))
    assert "".join(first.text for first, _ in pairs) == babbler.generate("Once", **options)
    assert "".join(second.text for _, second in pairs) == babbler.generate("The hen", **options)


def test_events_are_lines_of_json(babbler: LanguageModel) -> None:
    lines = [json.loads(to_json(event)) for event in babbler.stream_samples("Once", max_new_tokens=3, seed=7)]
    assert [line["event"] for line in lines] == ["token", "token", "token", "end"]
    assert {"sample", "id", "text", "probability", "alternatives"} <= set(lines[0])
    assert lines[-1]["seed"] == 7 and lines[-1]["tokens"] == 3 and lines[-1]["stop_reason"] == "length"
    assert lines[-1]["tokens_per_second"] > 0
    assert lines[-1]["text"] == "".join(line["text"] for line in lines[:-1])


# ---------------------------------------------------------------------------------------------- seeds and samples


def test_a_seed_repeats_and_another_differs(babbler: LanguageModel) -> None:
    texts = [babbler.generate("Once", seed=seed, max_new_tokens=40) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_seed_that_was_drawn_repeats(babbler: LanguageModel) -> None:
    first, second = (_ends(babbler.stream_samples("Once", max_new_tokens=40))[0] for _ in range(2))
    assert first.seed != second.seed
    assert babbler.generate("Once", max_new_tokens=40, seed=first.seed) == first.text


def test_randomness_elsewhere_is_left_alone(babbler: LanguageModel) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    babbler.generate("Once", max_new_tokens=5)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("prompt", ["Once upon a", "Once upon a time ther", ""])
def test_each_of_many_samples_repeats_alone(babbler: LanguageModel, prompt: str) -> None:
    """Those too that end a broken word with other tokens than their neighbours, and those that end earlier."""
    options: dict[str, Any] = {"max_new_tokens": 50, "temperature": 4.0, "stop": ["w", "g"]}
    events = list(babbler.stream_samples(prompt, samples=8, seed=10, **options))
    ends = _ends(iter(events))
    assert sorted(ends) == list(range(8))
    assert {end.stop_reason for end in ends.values()} == {"length", "stop"}
    for index, end in ends.items():
        assert end.seed == 10 + index
        assert end.text == babbler.generate(prompt, seed=end.seed, **options)
        tokens = [event for event in events if isinstance(event, Token) and event.sample == index]
        assert end.text == "".join(token.text for token in tokens)
        assert end.tokens == len(tokens)


# ---------------------------------------------------------------------------------------------- stop texts


def test_writing_stops_before_a_stop_text(parrot: LanguageModel) -> None:
    begin = len("Once")
    for stop in ["gate", " there was", "é", '"', "\n\n", "here", "nothing of the kind"]:
        end = _ends(parrot.stream_samples("Once", temperature=0, stop=[stop, "soup grew"]))[0]
        places = [place for text in (stop, "soup grew") if (place := TEXT.find(text, begin)) >= 0]
        assert end.text == TEXT[begin : min(places)]
        assert end.stop_reason == "stop"


def test_a_stop_text_that_does_not_come_hides_nothing(parrot: LanguageModel) -> None:
    end = _ends(parrot.stream_samples("Once", temperature=0, stop=["cold.\n\n", "cold?", "time there was a cat"]))[0]
    assert end.text == TEXT[4:] and end.stop_reason == "end_of_text"
    ended_by_length = parrot.generate("Once", temperature=0, stop=[" upon a tree"], max_new_tokens=3)
    assert ended_by_length and TEXT[4:].startswith(ended_by_length)


class _Pieces:
    """A stream whose tokens are pieces of text."""

    def __init__(self, pieces: list[str]) -> None:
        self.push = pieces.__getitem__


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("ab", max_size=4), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_what_is_shown_is_the_text_up_to_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    visible = VisibleText(_Pieces(pieces), stops)  # type: ignore[arg-type]
    text = shown = ""
    places: list[int] = []
    for number, piece in enumerate(pieces):
        text += piece
        shown += visible.push(number)
        places = [place for stop in stops if (place := text.find(stop)) >= 0]
        assert visible.stopped == bool(places)
        if places:
            break
        # what is held back could still become a stop text
        assert any(stop.startswith(text[len(shown) :]) for stop in stops) or shown == text
    shown += visible.finish()
    assert shown == visible.shown == text[: min(places, default=len(text))]


# ---------------------------------------------------------------------------------------------- long texts


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
@pytest.mark.parametrize("prompt", ["Once", TEXT * 3])
def test_writing_goes_on_past_the_end_of_the_context(family: str, prompt: str) -> None:
    """As the plain forward pass: of a long prompt three quarters of a context, and half of one when it is full."""
    model = _random(family, kind="byte")
    block = model.config.block_size
    tokens = list(model.stream(prompt, temperature=0, max_new_tokens=5 * block))
    assert len(tokens) == 5 * block
    context = model.tokenizer.encode(prompt)
    if len(context) > block:
        context = context[-block * 3 // 4 :]
    for token in tokens:
        logits = model.logits(context)[-1]
        logits[model.tokenizer.end_of_text] = -math.inf
        best = logits.topk(2)
        if best.values[0] - best.values[1] > 1e-4:  # nearer than that, rounding decides
            assert token.id == int(best.indices[0])
        if len(context) == block:
            context = context[-block // 2 :]
        context.append(token.id)


@pytest.mark.parametrize("block_size", [2, 3, 5])
def test_the_smallest_contexts_suffice(block_size: int) -> None:
    model = _random(block_size=block_size)
    for prompt in ("", "Once", TEXT):
        assert len(list(model.stream(prompt, max_new_tokens=40, seed=1))) == 40


def test_a_repetition_penalty_brings_other_words(babbler: LanguageModel) -> None:
    prompt = "Once upon a time"
    seen = set(babbler.tokenizer.encode(prompt))
    plain = [token.id for token in babbler.stream(prompt, temperature=0, max_new_tokens=40)]
    assert len({*plain} - seen) < 40
    penalized = [t.id for t in babbler.stream(prompt, temperature=0, max_new_tokens=40, repetition_penalty=100.0)]
    assert len({*penalized} - seen) == 40


# ---------------------------------------------------------------------------------------------- wrong requests


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"min_p": 2.0},
        {"max_new_tokens": 0},
        {"repetition_penalty": 0.0},
        {"stop": [""]},
        {"seed": -1},
        {"seed": 2**70},
        {"heat": 1.0},
    ],
)
def test_wrong_settings_are_refused_at_once(babbler: LanguageModel, wrong: dict[str, Any]) -> None:
    for method in (babbler.generate, babbler.stream, babbler.stream_samples):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            method("Once", **wrong)


@pytest.mark.parametrize("samples", [0, -1, 1000, 1.5, True])
def test_wrong_numbers_of_samples_are_refused(babbler: LanguageModel, samples: Any) -> None:
    with pytest.raises(ConfigError, match="samples"):
        babbler.stream_samples("Once", samples=samples)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("prompt", ["", "Once upon a t"])
def test_a_diverged_model_says_so(value: float, prompt: str) -> None:
    model = _random()
    with torch.no_grad():
        model.model.norm.get_parameter("weight").fill_(value)
    for options in ({"temperature": 0}, {"top_k": 5}, {"top_p": 0.9, "min_p": 0.1}, {"repetition_penalty": 2.0}):
        with pytest.raises(EngineError, match="diverged"):
            model.generate(prompt, **options)


def test_logits_are_those_of_the_forward_pass(babbler: LanguageModel) -> None:
    logits = babbler.logits([5, 17, 2])
    assert logits.shape == (3, babbler.config.vocab_size) and logits.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(logits, babbler.model(torch.tensor([[5, 17, 2]]))[0])
    torch.testing.assert_close(babbler.logits([5, 17]), logits[:2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("ids", [[], [-1], [330], [0.5], ["a"], [[1]], None, list(range(17)), [2**80]])
def test_logits_of_no_tokens_are_refused(babbler: LanguageModel, ids: Any) -> None:
    with pytest.raises(RequestError, match="logits"):
        babbler.logits(ids)


def test_evaluation_counts_every_byte_and_token_once(babbler: LanguageModel, parrot: LanguageModel) -> None:
    found = babbler.evaluate(TEXT)
    ids = babbler.tokenizer.encode(TEXT)
    assert (found.tokens, found.bytes) == (len(ids), len(TEXT.encode()))
    assert len(ids) > 3 * babbler.config.block_size
    nats = 0.0
    for start in range(0, len(ids), babbler.config.block_size):
        window = ids[start : start + babbler.config.block_size]
        before = [ids[start - 1] if start else babbler.tokenizer.end_of_text, *window[:-1]]
        nats += float(F.cross_entropy(babbler.logits(before), torch.tensor(window), reduction="sum"))
    assert found.loss == pytest.approx(nats / len(ids), rel=1e-5)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) / found.bytes, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(found.loss))
    assert parrot.evaluate(TEXT).bits_per_byte < 0.05
    with pytest.raises(RequestError, match="empty"):
        babbler.evaluate("")


# ---------------------------------------------------------------------------------------------- loading


def _stored(model: LanguageModel, name: str = "tales", **changes: Any) -> Path:
    folder = locations.models_dir() / name
    folder.mkdir(parents=True)
    record = ModelRecord(name, "2026-01-01T00:00:00Z", 1, {"documents": 2}, {}, model.config, TrainConfig(steps=1))
    write_record(folder, record)
    checkpoint.save_tensors(folder / checkpoint.WEIGHTS, checkpoint.weights_of(model.model))
    model.tokenizer.save(folder / checkpoint.TOKENIZER)
    return folder


@pytest.mark.parametrize("shape", [{"family": "gpt2"}, {"tie_embeddings": True}, {"n_embd": 320, "n_layer": 1}])
def test_a_loaded_model_writes_as_it_did(shape: dict[str, Any]) -> None:
    model = _random(documents=2, **shape)
    folder = _stored(model)
    for loaded in (load("tales", device="cpu"), load(folder), load(str(folder), checkpoint="last")):
        assert loaded.name == "tales" and loaded.config == model.config
        # float32 sums in another order: the matrices of what is loaded lie otherwise
        torch.testing.assert_close(loaded.logits([1, 2, 3]), model.logits([1, 2, 3]), atol=1e-4, rtol=0)
        assert loaded.generate("Once", seed=1, max_new_tokens=40) == model.generate("Once", seed=1, max_new_tokens=40)


def test_what_cannot_be_loaded_is_refused(babbler: LanguageModel) -> None:
    folder = _stored(babbler)
    with pytest.raises(ModelNotFoundError):
        load("tails")
    with pytest.raises(ModelNotFoundError):
        load("tales", checkpoint=7)
    absent = [
        device
        for device, there in {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.items()
        if not there
    ]
    for device in [*absent, "abacus"]:
        with pytest.raises(DeviceError, match=device):
            load("tales", device=device)
    larger = train_tokenizer("bpe", [TEXT] * 3, 400)
    assert larger.vocab_size > babbler.config.vocab_size
    larger.save(folder / checkpoint.TOKENIZER)
    with pytest.raises(DamagedModelError, match="tokens"):
        load("tales")


def test_the_number_of_threads_is_left_as_it_was() -> None:
    model = _random(n_embd=320, n_layer=1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for token in model.stream("Once", max_new_tokens=3):
            assert token.id >= 0 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_tokens_can_be_padded_in_the_model() -> None:
    """Ids that the tokenizer does not have are never written."""
    tokenizer = Tokenizer.load(_stored(_random()) / checkpoint.TOKENIZER)
    model = GPT(ModelConfig(vocab_size=tokenizer.vocab_size + 50, block_size=16, n_layer=1, n_head=1, n_embd=16))
    ids = [
        token.id for token in LanguageModel(model, tokenizer).stream("", temperature=5.0, max_new_tokens=300, seed=1)
    ]
    assert len(ids) == 300 and max(ids) < tokenizer.vocab_size
