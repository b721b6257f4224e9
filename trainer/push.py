"""`python -m trainer push`: put a run's model on the Hugging Face hub."""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends import UserError
from trainer.formats import export_hf
from trainer.model_card import write_card
from trainer.runs import RUNS_DIR, find_run

EXAMPLE = """\
examples:
  python -m trainer push --run titles --to ada/titles --dry-run
  HF_TOKEN=… python -m trainer push --run titles --to ada/titles --private
"""
REPOSITORY = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer push`."""
    parser = subparsers.add_parser(
        "push",
        help="put a model on the Hugging Face hub",
        description="Upload a run's best checkpoint with a model card. The token is HF_TOKEN's, or "
        "that of `hf auth login`.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", dest="run_name", required=True, metavar="NAME")
    parser.add_argument("--to", required=True, metavar="OWNER/NAME", help="the hub's repository")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--dry-run", action="store_true", help="show what would be uploaded")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help=RUNS_DIR)
    parser.set_defaults(run=run_push)


def run_push(arguments: argparse.Namespace) -> None:
    """Run the command. Raises `UserError`."""
    if not REPOSITORY.fullmatch(arguments.to):
        raise UserError(f"{arguments.to!r} is no repository's name: give OWNER/NAME.")
    run = find_run(arguments.runs_dir, arguments.run_name)
    if not (run.best / "config.json").is_file():
        raise UserError(f"The run {run.name} has no checkpoint yet: train it first.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        export_hf(run.best, folder)
        write_card(run, folder)
        if arguments.dry_run:
            sys.stdout.write((folder / "README.md").read_text(encoding="utf-8"))
            for file in sorted(folder.iterdir()):
                sys.stderr.write(f"{file.stat().st_size:>14,}  {file.name}\n")
            return
        url = _upload(folder, arguments.to, private=arguments.private)
    sys.stdout.write(f"{url}\n")


def _upload(folder: Path, name: str, *, private: bool) -> str:
    """Upload a folder in one commit; returns the repository's address."""
    import huggingface_hub

    api = huggingface_hub.HfApi()
    with _sentences(name):
        repository = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload from chinwag")
    return str(repository)


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """Turn what the hub's client raises into sentences; the token is in none of them."""
    from huggingface_hub import errors

    try:
        yield
    except errors.LocalTokenNotFoundError as exc:
        raise UserError(
            "There is no token for the hub: set HF_TOKEN, or run `hf auth login`."
        ) from exc
    except errors.HfHubHTTPError as exc:
        status = exc.response.status_code if exc.response is not None else None
        if status == 401:
            raise UserError(
                "The hub does not accept the token: it needs one with the right to write."
            ) from exc
        if status == 403:
            raise UserError(f"The hub's token may not write to {name}.") from exc
        raise UserError(f"The hub refused {name} ({status}): {_first_line(exc)}") from exc
    except OSError as exc:
        raise UserError("The hub cannot be reached: check the network, and HF_ENDPOINT.") from exc
    # Which library it speaks HTTP with, and so what that raises, depends on the client's version.
    except Exception as exc:
        raise UserError(f"The hub cannot be used now: {_first_line(exc)}") from exc


def _first_line(error: Exception) -> str:
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if token := os.environ.get("HF_TOKEN"):
        line = line.replace(token, "…")
    return re.sub(r"hf_\w+", "hf_…", line)[:300]
