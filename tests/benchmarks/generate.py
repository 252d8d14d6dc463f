"""Tokens per second while writing: our stream beside transformers' `generate`, and llama.cpp where it is installed
(the package llama-cpp-python), on the same weights.

    python tests/benchmarks/generate.py [--preset small] [--samples 4] [--rounds 5] [--busy]

Float32 (llama.cpp: the 16 bits of our export), on the CPU: 200 new tokens after a prompt of 16, or what the context
holds; one text greedy, several sampled at temperature 1. Ours is `LanguageModel.stream` as it is used, with text,
probabilities and alternatives. All take turns in one process, after a first turn that does not count; the table gives
the median and the range of `--rounds` turns. `--busy` keeps every core busy meanwhile, as training does. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch

from engine.config import ModelConfig
from engine.data.corpus import open_corpus
from engine.data.tokenizer import Tokenizer, train_tokenizer
from engine.generation.language_model import LanguageModel
from engine.model.gpt import GPT
from engine.model.presets import PRESETS, SHAPES, classic_model, sized_model
from engine.store.formats import gguf
from engine.store.formats.hugging_face import write_folder

PROMPT, NEW = 16, 200
TEXT = "The old man put the lamp on the table and looked at the letter for a long time before he opened it."
BUSY = "import torch\nx = torch.randn(512, 512)\nwhile True: x = (x @ x).softmax(-1)"


def random_model(preset: str, vocabulary: int) -> GPT:
    """A model of the preset's own size, none of whose parts is zero."""
    shape = classic_model(vocabulary) if preset == "classic" else sized_model(preset, vocabulary)
    torch.manual_seed(1)
    model = GPT(ModelConfig(**shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def new_tokens(model: GPT) -> int:
    """No more than the context holds: learned positions end there, for transformers."""
    return min(NEW, model.config.block_size - PROMPT)


def turns(model: GPT, tokenizer: Tokenizer, samples: int) -> dict[str, Callable[[], float]]:
    """Of each way to write: a turn that returns the tokens per second."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        theirs = AutoModelForCausalLM.from_pretrained(write_folder(model, tokenizer, Path(folder) / "model"))
    prompt = tokenizer.decode(tokenizer.encode(TEXT)[:PROMPT])
    ids = torch.tensor([tokenizer.encode(prompt)])
    ours = LanguageModel(model, tokenizer)
    new = new_tokens(model)

    def ours_once() -> float:
        began = time.perf_counter()
        count = sum(1 for _ in ours.stream(prompt, temperature=0, max_new_tokens=new))
        return count / (time.perf_counter() - began)

    def theirs_once() -> float:
        began = time.perf_counter()
        written = theirs.generate(ids, max_new_tokens=new, do_sample=False, eos_token_id=None)
        return (written.shape[1] - PROMPT) / (time.perf_counter() - began)

    def ours_side_by_side() -> float:
        began = time.perf_counter()
        events = ours.stream_samples(prompt, samples=samples, temperature=1.0, max_new_tokens=new)
        count = sum(1 for event in events if event.event == "token")
        return count / (time.perf_counter() - began)

    def theirs_side_by_side() -> float:
        began = time.perf_counter()
        written = theirs.generate(
            ids, max_new_tokens=new, do_sample=True, top_k=0, num_return_sequences=samples, eos_token_id=None
        )
        return (written.shape[1] - PROMPT) * samples / (time.perf_counter() - began)

    return {
        "gpt-tui, stream": ours_once,
        "transformers, generate": theirs_once,
        **llama_turn(model, tokenizer, ids[0].tolist(), new),
        f"gpt-tui, {samples} samples": ours_side_by_side,
        f"transformers, {samples} samples": theirs_side_by_side,
    }


def llama_turn(model: GPT, tokenizer: Tokenizer, ids: list[int], new: int) -> dict[str, Callable[[], float]]:
    """llama.cpp's turn, where it is installed; it has as many threads as ours."""
    try:
        from llama_cpp import Llama
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = gguf.write_file(model, tokenizer, Path(folder) / "model.gguf", name="model")
        threads = torch.get_num_threads()
        llama = Llama(str(path), n_ctx=model.config.block_size, n_threads=threads, verbose=False)

    def once() -> float:
        began = time.perf_counter()
        count = sum(1 for _ in zip(range(new), llama.generate(ids, temp=0.0), strict=False))
        return count / (time.perf_counter() - began)

    return {"llama.cpp, generate": once}


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Processes that compute all the time, as many as there are cores (or none)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    others = [subprocess.Popen([sys.executable, "-c", BUSY], env=environment) for _ in range(cores)]
    try:
        time.sleep(5 if others else 0)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small", choices=[name for name in PRESETS if name != "auto"])
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    vocabulary = SHAPES[options.preset].vocab_size if options.preset in SHAPES else 4096
    tokenizer = train_tokenizer("bpe", (piece.text for piece in open_corpus(["tales"]).pieces()), vocabulary)
    model = random_model(options.preset, vocabulary)
    parameters = model.config.parameter_counts()["total"]
    print(f"{options.preset}: {parameters / 1e6:.1f} M parameters, context {model.config.block_size}")
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; prompt {PROMPT}, {new_tokens(model)} new tokens"
    )
    ways = turns(model, tokenizer, options.samples)
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    with busy((os.cpu_count() or 1) if options.busy else 0):
        for number in range(options.rounds + 1):
            for name, turn in ways.items():
                speed = turn()
                if number:
                    speeds[name].append(speed)
    print(f"\n{'':28} {'tokens/s':>9}   {'range':>15}")
    for name, found in speeds.items():
        print(f"{name:28} {statistics.median(found):9.0f}   {min(found):6.0f} – {max(found):6.0f}")
    one, several = "gpt-tui, stream", f"gpt-tui, {options.samples} samples"
    for name, found in speeds.items():
        if not name.startswith("gpt-tui"):
            ours = speeds[several if "samples" in name else one]
            print(f"{statistics.median(ours) / statistics.median(found):.1f} times as fast as {name}")


if __name__ == "__main__":
    main()
