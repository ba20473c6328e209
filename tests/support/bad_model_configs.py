"""A model's config.json that is refused: what is done to a good one, and what the sentence says."""

import json
from typing import Any

import numpy as np
from spoiling import CONFIG, Edit, file_of, folder_instead, text_of


def config_of(**values: Any) -> Edit:
    """Other values in config.json; None removes a key."""

    def changed(data: bytes) -> bytes:
        kept = {k: v for k, v in (json.loads(data) | values).items() if v is not None}
        return json.dumps(kept).encode()

    return file_of(CONFIG, changed)


WHOLE = "; give a whole number, 1 to"
DISTILBERT = {"dim": 32, "hidden_dim": 64, "n_heads": 4, "n_layers": 2}
BAD_CONFIGS: list[tuple[str, Edit, str]] = [
    ("gone", lambda folder: (folder / CONFIG).unlink(), "has no config.json; give a Hugging Face"),
    ("a folder", folder_instead(CONFIG), "config.json (Is a directory)"),
    ("empty", text_of(CONFIG, ""), f"{CONFIG}, line 1 is no JSON"),
    ("cut", file_of(CONFIG, lambda b: b[:50]), f"{CONFIG}, line 4 is no JSON"),
    ("a list", text_of(CONFIG, "[]"), f"{CONFIG} holds no JSON object"),
    ("deep", text_of(CONFIG, "[" * 100_000), f"{CONFIG} is no JSON"),
    ("latin-1", file_of(CONFIG, lambda b: b[:-3] + b',\n"a": "\xe9"}'), "is not UTF-8"),
    ("wrong model type", config_of(model_type="gpt2"), "is of model type 'gpt2'; jaxtune has bert"),
    ("no model type", config_of(model_type=None), "has no model_type, so that nothing says which"),
    (
        "no model type but a class",
        config_of(model_type=None, architectures=["RobertaForMaskedLM"]),
        'has no model_type; add "model_type": "roberta" to it, if',
    ),
    ("a list as type", config_of(model_type=["bert"]), "is of model type ['bert']"),
    ("no sizes", config_of(vocab_size=None, hidden_size=None), "lacks hidden_size, vocab_size."),
    ("no layers", config_of(num_hidden_layers=0), f"num_hidden_layers 0{WHOLE}"),
    ("another depth", config_of(num_hidden_layers=3), "bert.encoder.layer.2.attention"),
    ("a text as size", config_of(hidden_size="32"), f"hidden_size '32'{WHOLE}"),
    ("half a size", config_of(intermediate_size=64.5), f"intermediate_size 64.5{WHOLE}"),
    ("negative", config_of(vocab_size=-1), f"vocab_size -1{WHOLE}"),
    ("true", config_of(type_vocab_size=True), f"type_vocab_size True{WHOLE}"),
    ("huge", config_of(vocab_size=10**12), f"vocab_size 1000000000000{WHOLE}"),
    ("too few positions", config_of(max_position_embeddings=1), "max_length is 1; this tokenizer"),
    ("heads", config_of(num_attention_heads=3), "hidden_size 32, which 3 attention heads do not"),
    ("a rate of 2", config_of(hidden_dropout_prob=2), "hidden_dropout_prob 2; give a rate"),
    ("a rate of text", config_of(classifier_dropout="no"), "classifier_dropout 'no'; give a rate"),
    ("nan", config_of(attention_probs_dropout_prob=np.nan), "attention_probs_dropout_prob nan"),
    ("epsilon of 0", config_of(layer_norm_eps=0), "layer_norm_eps 0; give a small number above 0"),
    (
        "range of text",
        config_of(initializer_range="x"),
        "initializer_range 'x'; give a small number",
    ),
    ("padding", config_of(pad_token_id=121), "pad_token_id 121; give the id of a word"),
    (
        "another padding than the tokenizer's",
        config_of(pad_token_id=3),
        f"{CONFIG} has padding by id 3 (pad_token_id), but the tokenizer there by id 0 ('[PAD]')",
    ),
    ("activation", config_of(hidden_act="mish"), "hidden_act 'mish'; accepted are gelu"),
    (
        "activation of a head",
        config_of(hidden_act="tanh"),
        "hidden_act 'tanh'; accepted are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu,",
    ),
    (
        "distilbert by BERT's keys",
        config_of(model_type="distilbert"),
        "lacks hidden_dim.",  # the others have names that transformers knows, too
    ),
    (
        "distilbert with sines",
        config_of(model_type="distilbert", **DISTILBERT, sinusoidal_pos_embds=True),
        "sinusoidal_pos_embds True; jaxtune has encoders with False",
    ),
    (
        "distilbert with another activation",
        config_of(model_type="distilbert", **DISTILBERT, activation="mish"),
        "asks for activation 'mish'; accepted are gelu",
    ),
    ("electra without embedding_size", config_of(model_type="electra"), "lacks embedding_size."),
    (
        "electra with relative positions",
        config_of(
            model_type="electra", embedding_size=32, position_embedding_type="relative_key_query"
        ),
        "position_embedding_type 'relative_key_query'; jaxtune has encoders with 'absolute'",
    ),
    (
        "mpnet with other buckets",
        config_of(model_type="mpnet", pad_token_id=1, relative_attention_num_buckets=64),
        "relative_attention_num_buckets 64; jaxtune has encoders with 32",
    ),
    (
        "mpnet with another padding",
        config_of(model_type="mpnet"),
        "pad_token_id 0; jaxtune has encoders with 1",
    ),
    (
        "relative positions",
        config_of(position_embedding_type="relative_key"),
        "position_embedding_type 'relative_key'; jaxtune has encoders with 'absolute'",
    ),
    (
        "quantised, beside float32 weights",
        config_of(quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}),
        f"{CONFIG} has a quantization_config, which says that the weights are quantised; give the"
        " model as it was before, or take quantization_config out of the file if",
    ),
    ("compressed", config_of(compression_config={"format": "dense"}), "the weights are compressed"),
    ("without some heads", config_of(pruned_heads={"0": [1]}), "the weights lack some attention"),
    ("with adapters", config_of(adapters={"adapters": {"a": "b"}}), "have adapters between them"),
    ("a decoder", config_of(is_decoder=True), "is_decoder True; jaxtune has encoders with False"),
    ("with a decoder", config_of(is_encoder_decoder=True), "is_encoder_decoder True; jaxtune has"),
    ("albert without embedding_size", config_of(model_type="albert"), "lacks embedding_size."),
    (
        "albert with groups",
        config_of(model_type="albert", embedding_size=32, num_hidden_groups=2),
        "num_hidden_groups 2; jaxtune has encoders with 1",
    ),
]
