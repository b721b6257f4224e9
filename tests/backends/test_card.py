from backends.card import Architecture, Card, describe

SIZES = Architecture(layers=2, heads=2, width=32, context=64, vocabulary=400, parameters=39_392)
FILES = {"model.onnx": "0" * 64, "tokenizer.json": "1" * 64}


def make(**more: object) -> Card:
    given = {"name": "tiny", "architecture": SIZES, "precision": "int8", "end_token": 0}
    return Card.model_validate({**given, "prepend_end_token": True, "files": FILES, **more})


def test_a_card_survives_its_own_json():
    card = make(defaults={"temperature": 0.7, "include_prefix": False, "n": 2, "prefix": "A"})
    assert Card.model_validate_json(card.model_dump_json()) == card


def test_a_description_names_source_and_licence_and_leaves_out_what_is_unknown():
    facts = describe(
        make(
            data={"source": "titles", "licence": "PDDL"},
            training={"seed": 1, "best_val_loss": 3.98765},
            perplexity={"int8": 53.9},
        )
    )
    assert facts["Training data"] == "titles (licence: PDDL)"
    assert facts["Training"] == "seed 1, best val loss 3.988"
    assert facts["Perplexity"] == "int8 53.9"
    assert facts["Parameters"] == "39,392"
    assert "Base weights" not in facts


def test_a_description_calls_the_architecture_by_its_name():
    llama = SIZES.model_copy(update={"family": "llama"})
    assert describe(make())["Architecture"].startswith("GPT-2, 2 layers")
    assert describe(make(architecture=llama))["Architecture"].startswith("Llama, 2 layers")
