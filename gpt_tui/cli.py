"""The command line: what each command is called, what it takes, and what its outcome is to the shell.

Heavy imports stand inside the commands that need them, so that help, lists and refusals come at once.
"""

from __future__ import annotations

import sys
import warnings

import typer

from engine.config import ModelConfig, SampleConfig, TrainConfig, parse_settings
from engine.errors import ConfigError, EngineError, RequestError
from gpt_tui.commands import options
from gpt_tui.commands.interrupts import held_back
from gpt_tui.commands.options import check_above_zero, check_range, checked, examples, flag, given
from gpt_tui.terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    WRONG,
    complain,
    console_on,
    hush,
    json_line,
    log_exception,
    lost_output,
    prepare_streams,
    quoted,
)

MOST_SAMPLES = 256

# Some versions of typer carry click within them, others import it: its usage errors are BadParameter's base in both.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    help="Train a GPT on text of your own, on your own machine, in minutes; then write with it.",
    epilog=examples("train novel.txt --minutes 5", 'generate novel "Once upon a time"', "train --help"),
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)


def run(arguments: list[str], *, began: float | None = None) -> int:
    """Run one command line; returns the exit status: 0 done, 1 failed, 2 the request was wrong, 130 interrupted.

    `began` is the `time.monotonic()` from which a budget of minutes counts.
    """
    prepare_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' remarks to programmers
    try:
        command = typer.main.get_command(app)
        status = command.main(arguments or ["--help"], prog_name="gpt-tui", standalone_mode=False, obj=began)
        sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except UsageError as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "gpt-tui"
        complain(f"{error.format_message().rstrip('.')}. See {path} --help.")  # type: ignore[attr-defined]
        return WRONG
    except RequestError as error:
        complain(str(error))
        return WRONG
    except EngineError as error:
        complain(f"{error}{_details()}")
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted.")
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the reader has left; typer turns that into an exit of its own
        hush()
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and (why := lost_output()):
            hush()
            complain(f"standard output takes no more: {why}.")
            return FAILED
        complain(f"it failed unexpectedly: {type(error).__name__}: {str(error)[:300] or 'no message'}.{_details()}")
        return FAILED


def _details() -> str:
    path = log_exception()
    return f" Details are in {path}" if path is not None else ""


@app.callback()
def root() -> None:
    pass


@app.command(
    epilog=examples(
        "train novel.txt",
        "train notes/ letters.txt --name me --minutes 10",
        "train tales --preset classic --tokenizer word --epochs 3",
        "train novel.txt --set n_layer=6 --set learning_rate=3e-3",
        "train --resume --name me",
    )
)
def train(
    context: typer.Context,
    texts: options.Texts = None,
    name: options.Name = None,
    replace: options.Replace = False,
    resume: options.Resume = False,
    minutes: options.Minutes = None,
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    preset: options.Preset = None,
    tokenizer: options.TokenizerKind = None,
    vocab_size: options.VocabSize = None,
    device: options.Device = None,
    seed: options.TrainSeed = None,
    from_model: options.From = None,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Train a model on your text."""
    budget = given({"minutes": minutes, "steps": steps, "epochs": epochs})
    recipe = given({"preset": preset, "tokenizer": tokenizer, "device": device, "seed": seed})
    check_above_zero(budget)
    checked(TrainConfig, budget | recipe)
    checked(ModelConfig, given({"vocab_size": vocab_size}))
    parse_settings(settings or [])
    if name is not None:
        name = _checked_name("--name", name)
    if resume:
        if name is None:
            raise ConfigError("--resume: say which training to go on with: --name NAME.")
        more = {"vocab_size": vocab_size, "from": from_model, "set": settings or None, "replace": replace or None}
        surplus = [flag(option) for option in budget | recipe | given(more) if option != "device"]  # that may change
        if surplus:
            raise ConfigError(
                f"--resume: a training goes on with the options that it began with; leave {' and '.join(surplus)} out."
            )
    if not texts and not resume:
        raise ConfigError("Nothing to train on: name a file, a folder, a corpus of `gpt-tui corpora`, or -.")

    from gpt_tui.commands.training import run_training

    more = given({"name": name, "vocab_size": vocab_size, "from_model": from_model})
    request = {**budget, **recipe, **more, "replace": replace, "resume": resume, "settings": settings or []}
    return run_training(texts or [], request, json=json, quiet=quiet, began=context.obj)


@app.command(
    epilog=examples(
        'generate novel "Once upon a time"',
        "generate novel --samples 3 --temperature 1.1 --seed 7",
        "generate novel - --no-echo --output next.txt < chapter.txt",
        'generate novel "Once" --checkpoint last --json',
    )
)
def generate(
    model: options.Model,
    prompt: options.Prompt = "",
    max_new_tokens: options.MaxNewTokens = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    repetition_penalty: options.RepetitionPenalty = None,
    stop: options.Stop = None,
    seed: options.Seed = None,
    samples: options.Samples = 1,
    checkpoint: options.Checkpoint = "best",
    no_echo: options.NoEcho = False,
    output: options.Output = None,
    json: options.Json = False,
) -> int:
    """Let a model write, token by token."""
    choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    limits = {"max_new_tokens": max_new_tokens, "stop": tuple(stop) if stop else None, "seed": seed}
    config = checked(SampleConfig, given({**choice, **limits, "repetition_penalty": repetition_penalty}))
    check_range("samples", samples, least=1, most=MOST_SAMPLES)

    from gpt_tui.commands.writing import write

    return write(
        model, prompt, config, samples=samples, checkpoint=checkpoint, echo=not no_echo, output=output, json=json
    )


@app.command("write", epilog=examples("write novel.md", "write novel.md --model novel", "write"))
def write_in_app(
    file: options.OwnFile = None, model: options.ForWriting = None, checkpoint: options.Checkpoint = "best"
) -> int:
    """Open the app on a text of yours, to write it with a model."""
    if file is not None and str(file) == "-":
        raise ConfigError("-: the app writes files; gpt-tui generate goes on from standard input.")
    if file is not None:
        from gpt_tui.drafting.own_file import resolve

        file = resolve(file)
    if model is not None:
        from engine.store.models import find, read_record

        read_record(find(model))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("write: the app needs a terminal to be shown on.")

    from gpt_tui import app as screen
    from gpt_tui.navigation import OpenCompose

    return screen.run(OpenCompose(file=file, model=model, checkpoint=checkpoint))


@app.command(
    epilog=examples(
        "chat dialogues",
        "chat dialogues --as Wren --with Felix",
        "chat novel --temperature 0.9",
    )
)
def chat(
    model: options.Model,
    you: options.As = "",
    them: options.With = "",
    max_new_tokens: options.ReplyTokens = None,
    temperature: options.ReplyTemperature = None,
    top_k: options.ReplyTopK = None,
    top_p: options.TopP = None,
    min_p: options.ReplyMinP = None,
    repetition_penalty: options.RepetitionPenalty = None,
    seed: options.Seed = None,
    checkpoint: options.Checkpoint = "best",
) -> int:
    """Talk with a model, line by line, without taking over the screen."""
    choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    limits = {"max_new_tokens": max_new_tokens, "repetition_penalty": repetition_penalty, "seed": seed}
    settings = given({**choice, **limits})
    checked(SampleConfig, settings)

    from gpt_tui.commands.chatting import chat as talk

    return talk(model, you=you, them=them, checkpoint=checkpoint, settings=settings)


@app.command("eval", epilog=examples("eval novel", "eval novel sequel.txt --json"))
def evaluate(model: options.Model, texts: options.EvalTexts = None, json: options.Json = False) -> None:
    """Measure how well a model predicts a text: bits per byte, loss, perplexity."""
    from dataclasses import asdict

    from gpt_tui.commands.measuring import measure

    found = measure(model, texts or [])
    if json:
        print(json_line(asdict(found)))
    else:
        print(f"{found.bits_per_byte:.4f} bits per byte")
        print(f"loss {found.loss:.4f} nats per token, perplexity {found.perplexity:,.2f}")
        print(f"{found.tokens:,} tokens, {found.bytes:,} bytes")


@app.command(epilog=examples("models", "models --json"))
def models(json: options.Json = False) -> None:
    """List the models that there are."""
    from engine.store.models import check_readable
    from engine.store.models import models as stored
    from gpt_tui.commands.tables import model_object, print_models

    check_readable()
    entries = stored()
    if json:
        for entry in entries:
            print(json_line(model_object(entry)), flush=True)
    elif entries:
        print_models(console_on(sys.stdout), entries)
    else:
        print("No models yet. Train the first one: gpt-tui train TEXT")
        print(
            "TEXT is a file of yours, a folder, or one of those that ship (gpt-tui corpora), as in: gpt-tui train tales"
        )


@app.command(epilog=examples("show novel", "show novel --json"))
def show(model: options.Model, json: options.Json = False) -> None:
    """Show all that is known of a model: its text, its result, its shape, its training."""
    from engine.store.models import find, is_running, read_record
    from gpt_tui.commands.tables import print_record, record_object

    folder = find(model)
    record = read_record(folder)
    if json:
        print(json_line(record_object(folder, record, running=is_running(folder))))
    else:
        print_record(console_on(sys.stdout), folder, record, running=is_running(folder))


@app.command(epilog=examples("rename novel draft"))
def rename(model: options.Stored, name: options.NewName) -> None:
    """Give a model another name."""
    from engine.store import models as store

    folder = store.rename(model, _checked_name("NAME", name))
    print(f"{model} is called {folder.name} now.")


@app.command(epilog=examples("delete novel"))
def delete(model: options.Stored) -> None:
    """Move a model to the trash."""
    from engine.store import models as store

    name = store.find(model).name
    store.delete(model)
    print(f"{name} is in the trash now. Bring it back with: gpt-tui restore {quoted(name)}")


@app.command(epilog=examples("restore novel"))
def restore(model: options.Deleted) -> None:
    """Bring a deleted model back from the trash."""
    from engine.store import models as store

    folder = store.restore(model)
    print(f"{folder.name} is back, in {folder}")


@app.command(epilog=examples("corpora", "train tales"))
def corpora(json: options.Json = False) -> None:
    """List the texts that ship, and those that models learned from before."""
    from engine.data.corpus import catalog
    from engine.store.models import models as stored
    from engine.store.models import used_corpora
    from gpt_tui.commands.tables import corpus_objects, print_corpora

    used = used_corpora(stored())
    if json:
        for line in corpus_objects(catalog(), used):
            print(json_line(line), flush=True)
    else:
        print_corpora(console_on(sys.stdout), catalog(), used)


@app.command(epilog=examples("export novel --format hf novel-hf/", "export novel --format gguf novel.gguf"))
def export(model: options.Model, destination: options.Destination, format: options.Format) -> None:
    """Take a model elsewhere."""
    readers = {"hf": "as transformers loads it", "gguf": "as llama.cpp runs it"}
    if format not in readers:
        raise ConfigError(f"--format: {format!r} is not known; there are: {', '.join(readers)}.")
    from engine.store.models import find

    folder = find(model)
    with held_back():
        from engine.store.formats import gguf, hugging_face

    (gguf.export if format == "gguf" else hugging_face.export)(folder, destination)
    print(f"{model} lies in {destination} now, {readers[format]}.")


@app.command("import", epilog=examples("import novel-hf/", "import ~/models/SmolLM2-135M --name smol"))
def import_(source: options.Source, name: options.ImportName = None) -> None:
    """Bring a model in from elsewhere."""
    if name is not None:
        name = _checked_name("--name", name)
    with held_back():
        from engine.store.importing import import_model

    folder = import_model(source, name=name)
    print(f'{folder.name} is here now. Write with it: gpt-tui generate {quoted(folder.name)} "Once upon a time"')


@app.command(epilog=examples("bench", "bench generate", "bench train --json"))
def bench(what: options.Bench = "all", json: options.Json = False) -> None:
    """Measure how fast this machine learns and writes, and against what."""
    if what not in ("train", "generate", "all"):
        raise ConfigError(f"{what!r} is no benchmark; there are: train, generate, all.")
    from gpt_tui.commands.benching import bench_training, bench_writing

    if what in ("generate", "all"):
        bench_writing(json=json)
    if what in ("train", "all"):
        bench_training(json=json)


def _checked_name(option: str, name: str) -> str:
    """The name as it is stored. Raises `ConfigError`, naming the option."""
    from engine.store.models import check_name

    try:
        return check_name(name)
    except ConfigError as error:
        raise ConfigError(f"{option}:{str(error).partition(':')[2]}") from None
