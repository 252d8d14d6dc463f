"""Token files and batches: what is cut, kept, shuffled and gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data import dataset
from engine.data.corpus import Corpus, open_corpus
from engine.data.dataset import Batches, TokenData, encode_corpus, shuffled
from engine.data.tokenizer import Tokenizer, train_tokenizer
from engine.errors import CorpusError

LINE = "On day {} the dog slept by the old gate, and it wasn't sorry.\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Three documents; the last tenth lies inside the third."""
    paths = []
    for name, count in (("a", 40), ("b", 60), ("c", 200)):
        paths.append(tmp_path / f"{name}.txt")
        paths[-1].write_text("".join(LINE.format(number) for number in range(count)), encoding="utf-8")
    return open_corpus(paths)


@pytest.fixture
def tokenizer(corpus: Corpus) -> Tokenizer:
    return train_tokenizer("bpe", (piece.text for piece in corpus.pieces()), 400)


def texts(data: TokenData, tokenizer: Tokenizer) -> tuple[str, str]:
    return tokenizer.decode(data.train.tolist()), tokenizer.decode(data.heldout.tolist())


def test_corpus_is_encoded_whole_with_its_documents_apart(corpus: Corpus, tokenizer: Tokenizer, tmp_path: Path) -> None:
    done: list[float] = []
    data = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "cache", progress=done.append)
    train, heldout = texts(data, tokenizer)
    assert train + heldout == "".join(piece.text for piece in corpus.pieces())
    end = tokenizer.end_of_text
    assert data.end_of_text == end and data.train[0] == end
    assert (data.train == end).sum() == 3 and end not in data.heldout
    openings = [tokenizer.decode(data.train[place + 1 :][:5].tolist()) for place in np.flatnonzero(data.train == end)]
    assert all(opening.startswith("On day") for opening in openings)
    assert (data.train_bytes, data.heldout_bytes) == (len(train.encode()), len(heldout.encode()))
    assert abs(data.heldout_bytes / corpus.bytes - 0.1) < 0.02
    assert data.train.dtype == np.uint16
    assert done == sorted(done) and done[-1] == 1.0


def test_held_out_documents_are_apart_but_the_first_opens_none(tmp_path: Path, tokenizer: Tokenizer) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(40)]
    for number, path in enumerate(paths):
        path.write_text(LINE.format(number) * 10, encoding="utf-8")
    data = encode_corpus(open_corpus(paths), tokenizer, 0.1, folder=tmp_path)
    assert (data.train == tokenizer.end_of_text).sum() == 36
    assert (data.heldout == tokenizer.end_of_text).sum() == 3
    assert data.heldout[0] != tokenizer.end_of_text


def test_encoding_in_pieces_is_encoding_the_whole(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(LINE.format(number) for number in range(20_000))
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    corpus = open_corpus([tmp_path / "long.txt"])
    assert len(list(corpus.pieces())) > 3
    whole = tokenizer.library.encode(text).ids
    data = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "one")
    assert [*data.train[1:], *data.heldout] == whole
    monkeypatch.setattr(dataset, "_LONG", 1000)  # the same on all cores
    shared = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "many")
    assert np.array_equal(shared.train, data.train) and np.array_equal(shared.heldout, data.heldout)


def test_large_vocabularies_and_other_kinds_are_kept_right(corpus: Corpus, tmp_path: Path) -> None:
    byte = train_tokenizer("byte", [], 257)
    data = encode_corpus(corpus, byte, 0.1, folder=tmp_path)
    assert "".join(texts(data, byte)) == "".join(piece.text for piece in corpus.pieces())
    word = train_tokenizer(
        "word", [" ".join(f"w{number}" for number in range(70_000)), *(p.text for p in corpus.pieces())], 80_000
    )
    assert word.vocab_size > 1 << 16
    data = encode_corpus(corpus, word, 0.1, folder=tmp_path)
    assert data.train.dtype == np.uint32
    assert "".join(texts(data, word)) == "".join(piece.text for piece in corpus.pieces())


def test_second_time_comes_from_the_cache(
    corpus: Corpus, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "cache")
    encode_corpus(corpus, tokenizer, 0.2, folder=tmp_path / "cache")
    encode_corpus(corpus, train_tokenizer("byte", [], 257), 0.1, folder=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3  # by text, tokenizer and share
    monkeypatch.setattr(dataset, "_encode", None)
    again = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "cache")
    assert np.array_equal(first.train, again.train) and np.array_equal(first.heldout, again.heldout)
    assert (first.train_bytes, first.heldout_bytes) == (again.train_bytes, again.heldout_bytes)


@pytest.mark.parametrize("damage", ["cut off", "cut in the header", "empty", "a bit", "garbage", "longer"])
def test_damaged_cache_is_made_anew(corpus: Corpus, tokenizer: Tokenizer, tmp_path: Path, damage: str) -> None:
    first = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "cache")
    expected = first.train.tolist(), first.heldout.tolist()
    (path,) = (tmp_path / "cache").iterdir()
    content = bytearray(path.read_bytes())
    del first
    if damage == "a bit":
        content[-100] ^= 4
    sizes = {"cut off": len(content) - 10, "cut in the header": 30, "empty": 0}
    content = content[: sizes.get(damage, len(content))] if damage != "garbage" else bytearray(b"\xff" * 5000)
    path.unlink()
    path.write_bytes(content + (b"\1\0" if damage == "longer" else b""))
    again = encode_corpus(corpus, tokenizer, 0.1, folder=tmp_path / "cache")
    assert (again.train.tolist(), again.heldout.tolist()) == expected
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [path.name]


# Batches


def batches(n_tokens: int = 1000, **options: int) -> Batches:
    chosen = {"block_size": 10, "batch_size": 4, "stride": 10, "seed": 1, **options}
    return Batches(np.arange(n_tokens, dtype=np.uint16), **chosen)  # type: ignore[arg-type]


def epoch_of(b: Batches) -> list[int]:
    """The beginnings of the windows of the next epoch, in their order (batches must fill it evenly)."""
    found: list[int] = []
    while len(found) < b.windows:
        found.extend(next(b)[0][:, 0].tolist())
    return found


def test_batches_are_pairs_of_tokens_and_their_followers() -> None:
    x, y = next(batches())
    assert x.shape == y.shape == (4, 10) and x.dtype == y.dtype == torch.int64
    assert torch.equal(y, x + 1)


def test_each_window_comes_once_an_epoch_and_epochs_differ() -> None:
    b = batches(1000, batch_size=3)
    assert b.windows == 99
    epochs = [epoch_of(b) for _ in range(6)]
    phases = set()
    for beginnings in epochs:
        assert len(set(beginnings)) == 99
        assert np.array_equal(np.diff(sorted(beginnings)), np.full(98, 10))  # none overlap, none is left out
        assert beginnings != sorted(beginnings)
        phases.add(min(beginnings))
    assert len(phases) > 1 and phases <= set(range(10))
    assert b.epoch == 6.0


def test_stride_of_one_gives_every_pair() -> None:
    b = batches(50, stride=1, batch_size=8)
    assert b.windows == 40
    assert sorted(epoch_of(b)) == list(range(40))
    assert batches(50, stride=0).windows == batches(50, stride=10).windows


def test_batch_that_an_epoch_does_not_fill_goes_on_into_the_next() -> None:
    b = batches(1000, batch_size=7)
    found: list[int] = []
    for _ in range(99):  # seven epochs of 99 windows
        x, _y = next(b)
        assert x.shape == (7, 10)
        found.extend(x[:, 0].tolist())
    assert b.epoch == 7.0
    assert all(len(set(found[start : start + 99])) == 99 for start in range(0, 693, 99))
    tiny = batches(12, batch_size=64)  # more rows than windows
    assert next(tiny)[0].shape == (64, 10)


@pytest.mark.parametrize("steps", [0, 1, 24, 25, 60])
def test_state_restores_at_any_step(steps: int) -> None:
    b = batches()
    for _ in range(steps):
        next(b)
    state = b.state()
    assert all(type(value) is int for value in state.values())
    expected = [next(b)[0].tolist() for _ in range(60)]
    other = batches()
    next(other)
    other.restore(state)
    assert other.state() == state
    assert [next(other)[0].tolist() for _ in range(60)] == expected


def test_order_does_not_depend_on_batch_size_or_ranks() -> None:
    single = batches(batch_size=1)
    order = [int(next(single)[0][0, 0]) for _ in range(240)]
    b = batches(batch_size=4)
    assert [begin for _ in range(10) for begin in next(b)[0][:, 0].tolist()] == order[:40]
    state = b.state()
    ranks = [batches(batch_size=5, rank=rank, world_size=2) for rank in range(2)]
    found: list[int] = []
    for each in ranks:
        each.restore(state)
    for _ in range(20):
        for each in ranks:
            found.extend(next(each)[0][:, 0].tolist())
    assert found == order[40:240]
    assert ranks[0].state() == ranks[1].state()


def test_seeds_give_other_orders() -> None:
    assert [epoch_of(batches(seed=seed)) for seed in (1, 1)] == [epoch_of(batches(seed=1))] * 2
    assert epoch_of(batches(seed=1)) != epoch_of(batches(seed=2))
    assert epoch_of(batches(seed=2**63 - 1))


def test_random_state_of_torch_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    b = batches()
    next(b)
    b.restore(b.state())
    next(b)
    assert torch.equal(torch.get_rng_state(), before)


def test_too_short_a_text_says_which_block_size_would_do() -> None:
    with pytest.raises(CorpusError, match="block_size of at most 9"):
        batches(10)
    assert next(batches(11))[0].tolist() == [list(range(10))] * 4


@pytest.mark.parametrize("length", [1, 2, 3, 5, 64, 1000, 4097])
def test_shuffle_is_a_permutation(length: int) -> None:
    everything = np.arange(length)
    for key in ((1, 0), (1, 1), (2, 0)):
        whole = shuffled(everything, length, key)
        assert sorted(whole.tolist()) == everything.tolist()
        assert np.array_equal(shuffled(everything[::3], length, key), whole[::3])


def test_shuffle_of_billions_takes_no_memory_and_is_even() -> None:
    length = 5_000_000_000
    some = shuffled(np.arange(20_000), length, (7, 3))
    assert len(set(some.tolist())) == 20_000 and some.min() >= 0 and some.max() < length
    counts = np.histogram(some, bins=20, range=(0, length))[0]
    assert (abs(counts - 1000) < 160).all()  # five standard deviations
    assert abs(np.corrcoef(some[:-1], some[1:])[0, 1]) < 0.04
