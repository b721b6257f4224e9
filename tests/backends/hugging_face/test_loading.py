import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backends import BackendError, ModelSpec, Value
from backends.hugging_face import open_optimum, open_transformers
from tests.backends.hugging_face.checkpoints import OPEN, exported, serving
from tests.backends.hugging_face.test_backend import both

ROOT = Path(__file__).parents[3]


async def refusal(backend: str, path: Path, **options: Value) -> str:
    with pytest.raises(BackendError) as told:
        await OPEN[backend](ModelSpec("tiny", backend, path, options))
    return str(told.value)


@pytest.fixture
def copy(gpt2: Path, tmp_path: Path) -> Path:
    """A checkpoint to be broken."""
    return shutil.copytree(gpt2, tmp_path / "copy")


@both
async def test_it_says_what_the_model_is(backend: str, name: str, models: Path):
    async with serving(backend, models / name) as served:
        info = served.info()
    assert (info.name, info.backend, info.context) == ("tiny", backend, 64)
    assert info.details["Architecture"].startswith(f"{name.removesuffix('-onnx')}, 2 layers, ")
    assert info.details["Precision"] == "float32"
    if backend == "transformers":
        assert int(info.details["Parameters"].replace(",", "")) > 10_000


async def test_weights_are_computed_in_the_asked_dtype(gpt2: Path):
    async with serving("transformers", gpt2, dtype="bfloat16") as served:
        assert served.info().details["Precision"] == "bfloat16"
        half = served.load().memory_bytes
    async with serving("transformers", gpt2) as served:
        assert half < 0.6 * served.load().memory_bytes


@pytest.mark.parametrize(
    ("backend", "options", "sentence"),
    [
        ("transformers", {"slots": 2}, "unknown option 'slots'; .* knows: context, device, dtype"),
        ("optimum", {"dtype": "float32"}, "unknown option 'dtype'; .* knows: context, device"),
        ("transformers", {"device": "tpu"}, "'device' .* must be one of auto, cpu, cuda"),
        ("transformers", {"dtype": 16}, "'dtype' of the model tiny must be a text"),
        ("optimum", {"context": -1}, "'context' of the model tiny must be a number"),
    ],
)
async def test_an_option_that_does_not_hold_is_a_sentence(
    backend: str, options: dict[str, Value], sentence: str, models: Path
):
    folder = models / ("gpt2" if backend == "transformers" else "gpt2-onnx")
    with pytest.raises(BackendError, match=sentence):
        await OPEN[backend](ModelSpec("tiny", backend, folder, options))


# ---- what cannot be loaded


async def test_weights_in_a_pickle_are_never_read(copy: Path):
    import torch

    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    assert "weights in pickles are never read" in await refusal("transformers", copy)


async def test_a_checkpoint_is_no_export_and_an_export_no_checkpoint(models: Path):
    assert "holds no model.safetensors" in await refusal("transformers", models / "gpt2-onnx")
    assert "optimum-cli export onnx" in await refusal("optimum", models / "gpt2")


@pytest.mark.parametrize("damage", ["truncated", "tensor missing", "other shape"])
async def test_broken_weights_are_a_sentence(damage: str, copy: Path):
    from safetensors.torch import load_file, save_file

    file = copy / "model.safetensors"
    weights = load_file(file)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "tensor missing":
        del weights["transformer.h.1.mlp.c_fc.weight"]
        save_file(weights, file, metadata={"format": "pt"})
    else:
        weights["transformer.ln_f.bias"] = weights["transformer.ln_f.bias"][:-1].clone()
        save_file(weights, file, metadata={"format": "pt"})
    said = await refusal("transformers", copy)
    wanted = {"tensor missing": "are not whole: transformer.h.1.mlp.c_fc.weight is missing"}
    assert wanted.get(damage, "cannot be loaded") in said
    assert "\n" not in said


async def test_a_broken_graph_is_a_sentence(models: Path, tmp_path: Path):
    copy = shutil.copytree(models / "gpt2-onnx", tmp_path / "copy")
    (copy / "model.onnx").write_bytes((copy / "model.onnx").read_bytes()[:-5000])
    assert "cannot be loaded" in await refusal("optimum", copy)


async def test_a_graph_without_a_cache_is_a_sentence(gpt2: Path, tmp_path: Path):
    path = exported(gpt2, tmp_path / "plain", task="text-generation")
    assert "export it with --task text-generation-with-past" in await refusal("optimum", path)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model_type": "elvish"}, "elvish"),
        ({"model_type": "t5"}, "cannot be loaded"),
        ({"model_type": None, "auto_map": {"AutoConfig": "evil.Config"}}, "cannot be loaded"),
    ],
)
async def test_a_config_that_is_no_language_models_is_a_sentence(
    changed: dict[str, object], sentence: str, copy: Path
):
    config = json.loads((copy / "config.json").read_text()) | changed
    (copy / "config.json").write_text(json.dumps(config))
    said = await refusal("transformers", copy)
    assert said.startswith(f"The model tiny in {copy} cannot be loaded (")
    assert sentence in said


async def test_code_beside_a_model_is_never_run(copy: Path, tmp_path: Path):
    ran = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Model: pass\n")
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "elvish", "auto_map": {"AutoConfig": "evil.Model"}}
    (copy / "config.json").write_text(json.dumps(config))
    await refusal("transformers", copy)
    assert not ran.exists()


async def test_cuda_that_is_not_there_is_a_sentence(models: Path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    for backend, name in (("transformers", "gpt2"), ("optimum", "gpt2-onnx")):
        said = await refusal(backend, models / name, device="cuda")
        assert "cannot be loaded" in said


@pytest.mark.parametrize(
    ("backend", "missing", "extra"),
    [
        ("transformers", "torch", "train"),
        ("transformers", "transformers", "train"),
        ("optimum", "optimum.onnxruntime", "optimum"),
    ],
)
async def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(
    backend: str, missing: str, extra: str, models: Path, monkeypatch: pytest.MonkeyPatch
):
    # Importing it fails then as where it is not installed.
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "backends.hugging_face.loading", raising=False)
    monkeypatch.delitem(sys.modules, "backends.hugging_face.decoder", raising=False)
    folder = models / ("gpt2" if backend == "transformers" else "gpt2-onnx")
    assert await refusal(backend, folder) == (
        f"The model tiny needs {missing}, which is not installed: pip install 'chinwag[{extra}]'"
    )


def test_a_missing_runtime_is_named_although_optimum_wraps_the_error(models: Path):
    program = f"""
import asyncio, pathlib, sys
sys.modules["onnxruntime"] = None
from backends import BackendError, ModelSpec
from backends.hugging_face import open_optimum
spec = ModelSpec("tiny", "optimum", pathlib.Path({str(models / "gpt2-onnx")!r}))
try:
    asyncio.run(open_optimum(spec))
except BackendError as error:
    sys.exit(str(error))
"""
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith(
        "The model tiny needs onnxruntime, which is not installed: pip install 'chinwag[cpu]'\n"
    )


def test_both_are_opened_by_functions_that_import_nothing_heavy():
    assert open_optimum.__module__ == open_transformers.__module__ == "backends.hugging_face"
    program = (
        "import sys, backends.hugging_face.backend\n"
        "heavy = {'torch', 'transformers', 'optimum', 'onnxruntime'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
