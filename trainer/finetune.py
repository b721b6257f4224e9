"""`python -m trainer finetune`: a file of texts becomes a run and a model directory."""

import argparse
import hashlib
import json
import math
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends import UserError
from trainer.runs import Run, checked_name, find_run
from trainer.settings import Settings, read_settings, write_settings

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from trainer.encode import Counts
    from trainer.loop import Session
    from trainer.progress import Progress
    from trainer.sniff import Layout
    from trainer.texts import Texts

FRESH_EPOCHS, PRETRAINED_EPOCHS = 10.0, 3.0
LONG_CONTEXT, SHORTEST_CONTEXT = 256, 32
TOKENS_PER_STEP = 8192
TOKENIZER_TEXTS = 2_000_000
"""The most texts (or blocks of long text) that a fresh tokenizer learns from."""


def run(arguments: argparse.Namespace) -> int:
    """Finetune, or go on with a run; then export its best checkpoint."""
    from trainer.progress import Progress

    settings, the_run = _settings(arguments)
    with Progress() as progress:
        if not arguments.resume:
            settings = _prepare(settings, the_run, progress)
        session = _session(settings, the_run, arguments, progress)
        with _stop_signals(progress) as stopping:
            from trainer.loop import train

            state = train(session, progress, stopping)
        _write_about(the_run, settings, session, arguments)
    if state.state == "stopped":
        sys.stderr.write(f"Stopped and saved at step {state.step:,}. To go on:\n  ")
        sys.stderr.write(_resume_command(arguments) + "\n")
        return 1
    if not arguments.no_export:
        from trainer.export import export_run

        export_run(the_run, arguments.models_dir / the_run.name)
        print(arguments.models_dir / the_run.name)  # noqa: T201 - the command's result
    return 0


def _settings(arguments: argparse.Namespace) -> tuple[Settings, Run]:
    """The settings asked for, and the run, which must be new unless it is resumed."""
    given = {
        field.name: value
        for field in fields(Settings)
        if (value := getattr(arguments, field.name)) is not None
    }
    if arguments.resume:
        the_run = find_run(arguments.runs_dir, arguments.run_name)
        kept = read_settings(the_run.config)
        budget = {key: given[key] for key in ("epochs", "steps", "minutes") if key in given}
        if budget:
            budget = {"epochs": None, "steps": None, "minutes": None, **budget}
        return replace(kept, **budget), the_run
    if "data" not in given or "model" not in given:
        raise UserError("Give the file of texts and --model (only --resume goes without).")
    the_run = Run(arguments.runs_dir / checked_name(arguments.run_name))
    if the_run.path.exists():
        raise UserError(
            f"There is a run {the_run.name!r} already: add --resume to go on with it, "
            f"choose another --run name, or remove {the_run.path}."
        )
    return Settings(**given), the_run


def _prepare(settings: Settings, the_run: Run, progress: "Progress") -> Settings:
    """Encode the data into a new run directory; gives the settings with their gaps filled."""
    from backends.durable import durable_directory
    from trainer import models
    from trainer.encode import encode
    from trainer.sniff import sniff
    from trainer.texts import Texts

    size = models.fresh_size(settings.model)
    if not size:
        models.resolve(settings.model)
    path = Path(settings.data)
    layout = sniff(path, settings.format, settings.encoding, settings.header)
    texts = Texts(path, layout)
    _show(texts, progress)
    if size:
        progress.say("Learning a tokenizer …")
        vocabulary = settings.vocabulary or size.vocabulary
        tokenizer = models.train_tokenizer(islice(texts, TOKENIZER_TEXTS), vocabulary)
    else:
        tokenizer = models.load_tokenizer(settings.model)
    progress.say("Encoding …")
    with durable_directory(the_run.path) as folder:
        new = Run(folder)
        new.training.parent.mkdir()
        counts = encode(
            texts, layout.kind, tokenizer, models.end_token(tokenizer),
            new.training, new.validation, settings.val_fraction, settings.seed,
        )  # fmt: skip
        settings = _filled(settings, layout, counts)
        tokenizer.save(str(new.tokenizer))
        write_settings(settings, new.config)
        new.manifest.write_text(json.dumps(_manifest(settings, texts, counts), indent=2))
    _report(texts, counts, settings, progress)
    return settings


def _show(texts: "Texts", progress: "Progress") -> None:
    """Say what the file was taken for, with its first three texts."""
    layout = texts.layout
    progress.say(
        f"{texts.path}: {layout.kind}, {layout.encoding}"
        + (f", header {'skipped' if layout.header else 'none'}" if layout.kind == "csv" else "")
        + f" ({layout.reason})"
    )
    if layout.columns > 1:
        progress.say(f"It has {layout.columns} columns: only the first is used.")
    for text in islice(texts, 3):
        shown = text if len(text) <= 300 else text[:300] + " …"
        progress.say("  | " + shown.strip().replace("\n", "\n  | "))


def _filled(settings: Settings, layout: "Layout", counts: "Counts") -> Settings:
    """Choose what was left open, now that the data is known."""
    from trainer import models

    size = models.fresh_size(settings.model)
    context = settings.context
    if context is None:
        covering = LONG_CONTEXT if layout.kind == "text" else counts.covering(0.99)
        context = max(SHORTEST_CONTEXT, 1 << math.ceil(math.log2(max(covering, 1))))
        context = min(context, 1024)
    least = min(counts.training_tokens, counts.validation_tokens) - 1
    if least < 2 or counts.training_tokens < 64:
        raise UserError(
            f"{settings.data} is too short: {counts.training_tokens:,} tokens to learn from and "
            f"{counts.validation_tokens:,} held out. Give more text or a larger --val-fraction."
        )
    context = min(context, counts.training_tokens - 1)
    open_end = settings.epochs is None and settings.steps is None and settings.minutes is None
    return replace(
        settings,
        data=str(Path(settings.data)),
        context=context,
        batch_size=settings.batch_size or max(1, TOKENS_PER_STEP // context),
        lr=settings.lr or (size.lr if size else models.PRETRAINED_LR),
        epochs=(FRESH_EPOCHS if size else PRETRAINED_EPOCHS) if open_end else settings.epochs,
    )


def _manifest(settings: Settings, texts: "Texts", counts: "Counts") -> dict[str, Any]:
    """What the card says of the data."""
    with texts.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": texts.path.name,
        "source": settings.source,
        "licence": settings.licence,
        "sha256": digest,
        "kind": str(texts.layout.kind),
        "rows": counts.texts,
        "dropped": dict(texts.dropped),
        "characters": counts.characters,
        "training_tokens": counts.training_tokens,
        "validation_tokens": counts.validation_tokens,
    }


def _report(texts: "Texts", counts: "Counts", settings: Settings, progress: "Progress") -> None:
    unit = "stretches of text" if texts.layout.kind == "text" else "texts"
    dropped = ", ".join(f"{number:,} {why}" for why, number in texts.dropped.items()) or "nothing"
    progress.say(
        f"{counts.texts:,} {unit} ({dropped} dropped), {counts.training_tokens:,} tokens to learn "
        f"from, {counts.validation_tokens:,} held out; windows of {settings.context} tokens, "
        f"{settings.batch_size} in a step."
    )


def _session(
    settings: Settings, the_run: Run, arguments: argparse.Namespace, progress: "Progress"
) -> "Session":
    """Load or make the model and all that training needs."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    from trainer import checkpoint, models
    from trainer.loop import Session
    from trainer.optimizers import build_optimizers
    from trainer.schedule import Budget
    from trainer.windows import Windows

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(settings.seed)
    tokenizer = Tokenizer.from_file(str(the_run.tokenizer))
    tokenizer.encode_special_tokens = True
    end = models.end_token(tokenizer)
    size = models.fresh_size(settings.model)
    assert settings.context and settings.batch_size and settings.lr  # noqa: S101,PT018 - filled
    if arguments.resume:
        checkpoint.verify_checkpoint(the_run.last)
        model = models.load_model(str(the_run.last), settings.dropout)
    elif size:
        model = models.fresh_model(size, tokenizer, settings.context, settings.dropout)
    else:
        model = models.load_model(settings.model, settings.dropout)
    context = min(settings.context, model.config.n_positions)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    optimizers = build_optimizers(model, settings.weight_decay, fresh=size is not None)
    state = checkpoint.State()
    if arguments.resume:
        state = checkpoint.load_checkpoint(the_run.last, optimizers)
        state.state = "training"

    def windows(path: Path) -> Windows:
        tokens = np.load(path, mmap_mode="r")
        return Windows(
            tokens, min(context, len(tokens) - 1), settings.batch_size, end, settings.seed
        )

    training = windows(the_run.training)
    steps = settings.steps
    if settings.epochs:
        steps = max(1, math.ceil(settings.epochs * training.steps_per_epoch))
    low = _low_precision(device)
    progress.say(
        f"{model.num_parameters():,} parameters, {device.type}, "
        f"{'bfloat16' if low else 'float32'}, {torch.get_num_threads()} threads, "
        f"{training.steps_per_epoch:,} steps an epoch"
    )
    return Session(
        run=the_run,
        model=model,
        tokenizer=tokenizer,
        end=end,
        optimizers=optimizers,
        training=training,
        validation=windows(the_run.validation),
        budget=Budget(steps=steps, minutes=settings.minutes),
        peak_lr=settings.lr,
        prefix=settings.prefix,
        eval_every=settings.eval_every,
        sample_every=settings.sample_every,
        state=state,
        device=device,
        low_precision=low,
        hidden=_hidden(model, context, device, compiled=settings.compile),
    )


def _low_precision(device: "torch.device") -> bool:
    """Whether this hardware multiplies bfloat16 faster than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _hidden(model: Any, context: int, device: "torch.device", *, compiled: bool) -> Any:
    """The function from token ids to the last layer's output."""
    import torch

    from trainer import attention

    if device.type == "cpu" and context <= attention.LONGEST:
        model.config._attn_implementation = attention.register()
    body = model.base_model

    def hidden(ids: "torch.Tensor") -> "torch.Tensor":
        return body(ids, use_cache=False).last_hidden_state

    return torch.compile(hidden) if compiled else hidden


@contextmanager
def _stop_signals(progress: "Progress") -> Iterator[Any]:
    """Give a function that says whether Ctrl-C or SIGTERM came; a second one ends at once."""
    caught: list[int] = []

    def handler(number: int, _: object) -> None:
        if caught:
            os._exit(1)
        caught.append(number)
        progress.say("Stopping after this step; again to stop without saving.")

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(caught)
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _resume_command(arguments: argparse.Namespace) -> str:
    command = ["python", "-m", "trainer", "finetune", "--run", arguments.run_name, "--resume"]
    if arguments.runs_dir != Path("runs"):
        command += ["--runs-dir", str(arguments.runs_dir)]
    return shlex.join(command)


def _write_about(
    the_run: Run, settings: Settings, session: "Session", arguments: argparse.Namespace
) -> None:
    """Write what the model's card will say; `export` reads it."""
    from trainer import models

    manifest = json.loads(the_run.manifest.read_text())
    state = session.state
    published = settings.model in models.ALIASES
    about = {
        "training": {
            "command": shlex.join(["python", "-m", "trainer", *arguments.command_line]),
            "model": settings.model,
            "seed": settings.seed,
            "steps": state.step,
            "best_step": state.best_step,
            "tokens": state.tokens,
            "minutes": round(state.seconds / 60, 1),
            "train_loss": state.train_loss,
            "val_loss": state.best_val_loss,
        },
        "data": manifest,
        "defaults": {"prefix": settings.prefix} if settings.prefix else {},
        "prepend_end_token": manifest["kind"] != "text",
        "base": settings.model,
        "base_licence": models.GPT2_LICENCE if published else "",
    }
    (the_run.path / "about.json").write_text(json.dumps(about, indent=2, ensure_ascii=False))


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer finetune`."""
    parser = subparsers.add_parser(
        "finetune",
        help="train a GPT-2 on a file of texts",
        epilog="example: python -m trainer finetune titles.csv --model fresh:tiny --run ask",
    )
    parser.set_defaults(run=run)
    add = parser.add_argument
    add("data", nargs="?", metavar="DATA", help="a .txt or single-column .csv file")
    add("--model", metavar="M", help="a Hugging Face directory, 124M|355M|774M|1558M, fresh:SIZE")
    add("--run", dest="run_name", required=True, metavar="NAME", help="name of the run")
    add("--resume", action="store_true", help="go on with a run that was stopped")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--epochs", type=float, metavar="E")
    budget.add_argument("--steps", type=int, metavar="S")
    budget.add_argument("--minutes", type=float, metavar="T")
    add("--seed", type=int, metavar="N")
    add("--prefix")
    add("--format", choices=["auto", "text", "lines", "csv"])
    add("--encoding")
    add("--header", action=argparse.BooleanOptionalAction)
    add("--batch-size", type=int, metavar="B", help="windows in a step")
    add("--context", type=int, metavar="C", help="tokens in a window")
    add("--vocabulary", type=int, metavar="V", help="tokens of a fresh tokenizer")
    add("--lr", type=float, help="peak learning rate")
    add("--weight-decay", type=float)
    add("--dropout", type=float)
    add("--val-fraction", type=float)
    add("--eval-every", type=int, metavar="N")
    add("--sample-every", type=int, metavar="N")
    add("--compile", action="store_true", default=None)
    add("--threads", type=int, metavar="N")
    add("--source")
    add("--licence")
    add("--runs-dir", type=Path, default=Path("runs"))
    add("--models-dir", type=Path, default=Path("models"))
    add("--no-export", action="store_true")
