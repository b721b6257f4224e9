"""Real tiny models for tests: random weights, a tokenizer trained here, exported for real."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from backends.model_directory import Precision

END = "<|endoftext|>"
SENTENCES = (
    "What would you do if you could fly?",
    "How do you make the best coffee in the morning?",
    "ROMEO: But soft, what light through yonder window breaks?",
    "The bot writes — naïve café ☕ 日本語 🎉 and more.",
)


def tiny_tokenizer(vocabulary: int = 400) -> Tokenizer:
    """Return a byte-level BPE trained on a few sentences; its end token has id 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def tiny_checkpoint(
    path: Path,
    *,
    layers: int = 2,
    heads: int = 2,
    width: int = 32,
    context: int = 64,
    seed: int = 0,
) -> Path:
    """Write a Hugging Face directory with a GPT-2 of random but decided weights."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny_tokenizer()
    end = tokenizer.token_to_id(END)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=context,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        bos_token_id=end,
        eos_token_id=end,
        # Wide enough that logits differ clearly: greedy choices are then not ties.
        initializer_range=0.4,
    )
    torch.manual_seed(seed)
    GPT2LMHeadModel(config).save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def tiny_llama(
    path: Path, *, seed: int = 0, tokenizer: Tokenizer | None = None, **more: Any
) -> Path:
    """Write a Hugging Face directory with a Llama of random weights; two heads share one's keys."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tokenizer or tiny_tokenizer()
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "tie_word_embeddings": True,
        "rope_theta": 1000.0,
    }
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        bos_token_id=0,
        eos_token_id=tokenizer.token_to_id(END),
        # Wide enough that logits differ clearly: greedy choices are then not ties.
        initializer_range=0.2,
        **{**sizes, **more},
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    for name, tensor in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(tensor, std=0.5)
    model.save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def tiny_model_directory(
    path: Path, *, precision: Precision = "fp32", prepend_end_token: bool = False, **sizes: int
) -> Path:
    """Write a tiny exported model directory at `path` and return it."""
    from trainer.export import export_model

    checkpoint = tiny_checkpoint(path.parent / f"{path.name}-checkpoint", **sizes)
    export_model(
        checkpoint,
        path,
        precision=precision,
        validation=None,
        training={},
        data={"source": "made on the spot", "licence": "MIT"},
        defaults={},
        prepend_end_token=prepend_end_token,
    )
    return path
