"""Model folders that are refused: what is done to a good one, and what the sentence says."""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bad_data import POINTER
from safetensors.numpy import load_file, save_file

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
WORDS = "bert.embeddings.word_embeddings.weight"
LAST = "bert.encoder.layer.1.output.dense.weight"
Edit = Callable[[Path], object]


class Planted:
    """What a malicious checkpoint holds: unpickling it creates a file."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def file_of(name: str, change: Callable[[bytes], bytes]) -> Edit:
    """Changes a file's bytes."""

    def edit(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return edit


def text_of(name: str, text: str) -> Edit:
    """Puts another text in a file."""
    return lambda folder: (folder / name).write_text(text)


def flipped(place: int, bit: int = 0) -> Edit:
    """Flips a bit of the weights; places from 8 on are the header."""
    return file_of(WEIGHTS, lambda b: b[:place] + bytes([b[place] ^ 1 << bit]) + b[place + 1 :])


def header_of(change: Callable[[str], str]) -> Edit:
    """Changes the text of the weights' header, with its length."""

    def changed(data: bytes) -> bytes:
        size = struct.unpack("<Q", data[:8])[0]
        header = change(data[8 : 8 + size].decode()).encode()
        return struct.pack("<Q", len(header)) + header + data[8 + size :]

    return file_of(WEIGHTS, changed)


def tensors_of(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Edit:
    """Changes the tensors and writes them as a valid file."""

    def edit(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)

    return edit


def with_value(value: float) -> Edit:
    """One number in one tensor."""

    def change(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors[LAST][3, 5] = value
        return tensors

    return tensors_of(change)


def config_of(**values: Any) -> Edit:
    """Other values in config.json; None removes a key."""

    def changed(data: bytes) -> bytes:
        kept = {k: v for k, v in (json.loads(data) | values).items() if v is not None}
        return json.dumps(kept).encode()

    return file_of(CONFIG, changed)


def words_of(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Changes tokenizer.json as JSON."""

    def changed(data: bytes) -> bytes:
        change(content := json.loads(data))
        return json.dumps(content).encode()

    return file_of("tokenizer.json", changed)


def without_padding(folder: Path) -> None:
    """Renames the padding token everywhere, and its role away."""
    for file in folder.glob("*token*.json"):
        text = file.read_text().replace('"pad_token"', '"other"').replace("[PAD]", "[FILL]")
        file.write_text(text)


def pickled(name: str) -> Edit:
    """A pickle in the place of the weights."""

    def edit(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(pickle.dumps(Planted(folder / "executed")))

    return edit


def remote_code(name: str, **values: Any) -> Edit:
    """A folder whose configuration asks for a class of its own, and the code that would be it."""

    def edit(folder: Path) -> None:
        code = f"open({str(folder / 'executed')!r}, 'w')\nclass Own: pass\n"
        (folder / "own.py").write_text(code)
        content = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps(content))

    return edit


def index_of(text: str) -> Edit:
    """An index in the place of the whole file."""

    def edit(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / INDEX).write_text(text)

    return edit


def instead_of(name: str, *others: str) -> Edit:
    """Other files, whatever they hold, in the place of one."""

    def edit(folder: Path) -> None:
        (folder / name).unlink()
        for other in others:
            (folder / other).parent.mkdir(exist_ok=True)
            (folder / other).write_text("{}")

    return edit


def adapter(folder: Path) -> None:
    """What peft leaves: a few matrices and the name of the model that they are for."""
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / CONFIG).unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}')


def in_checkpoints(folder: Path) -> None:
    """What the Trainer leaves: a folder for every time that it saved, and none of its own."""
    for step in (500, 1000):
        (folder / f"checkpoint-{step}").mkdir()
        (folder / f"checkpoint-{step}" / CONFIG).write_bytes((folder / CONFIG).read_bytes())
    (folder / CONFIG).unlink()


def below_the_tokenizer(folder: Path) -> None:
    """The tokenizer a folder higher, and the model's files beside where they should be."""
    for file in folder.glob("tokenizer*"):
        file.rename(folder.parent / file.name)


def folder_instead(name: str) -> Edit:
    """A folder where a file should be."""
    return lambda folder: ((folder / name).unlink(), (folder / name).mkdir())


UNREADABLE = f"{WEIGHTS} is no readable safetensors file"
BAD_WEIGHTS: list[tuple[str, Edit, str]] = [
    ("empty", file_of(WEIGHTS, lambda b: b""), UNREADABLE),
    ("cut in the length", file_of(WEIGHTS, lambda b: b[:5]), UNREADABLE),
    ("cut in the header", file_of(WEIGHTS, lambda b: b[:300]), UNREADABLE),
    ("cut in half", file_of(WEIGHTS, lambda b: b[: len(b) // 2]), UNREADABLE),
    ("cut by a byte", file_of(WEIGHTS, lambda b: b[:-1]), UNREADABLE),
    ("a byte too long", file_of(WEIGHTS, lambda b: b + b"\0"), UNREADABLE),
    ("a flip in the length", flipped(1), UNREADABLE),
    ("a huge length", file_of(WEIGHTS, lambda b: b"\xff" * 8 + b[8:]), UNREADABLE),
    ("a flip in the first brace", flipped(8), UNREADABLE),
    ("header of zeros", file_of(WEIGHTS, lambda b: b[:8] + bytes(len(b) - 8)), UNREADABLE),
    ("another dtype", header_of(lambda h: h.replace("F32", "F16", 1)), UNREADABLE),
    (
        "a dtype of no numpy",
        header_of(lambda h: h.replace('"F32","shape":[32]', '"F8_E4M3","shape":[128]', 1)),
        "holds numbers of the kind F8_E4M3 (in 'bert.embeddings.LayerNorm.bias'), as a quantised",
    ),
    ("another shape", header_of(lambda h: h.replace("[32]", "[33]", 1)), UNREADABLE),
    ("overlapping tensors", header_of(lambda h: h.replace("[128,", "[124,", 1)), UNREADABLE),
    ("a picture", file_of(WEIGHTS, lambda b: b"\x89PNG\r\n\x1a\n" + b), UNREADABLE),
    (
        "a pointer",
        file_of(WEIGHTS, lambda b: POINTER),
        f"{WEIGHTS} is a pointer of Git LFS and not",
    ),
    ("a pickle under its name", pickled(WEIGHTS), UNREADABLE),
    ("a folder", folder_instead(WEIGHTS), f"lacks {WEIGHTS}"),
    ("gone", lambda folder: (folder / WEIGHTS).unlink(), f"lacks {WEIGHTS}; download it too"),
    (
        "pytorch_model.bin",
        pickled("pytorch_model.bin"),
        "pytorch_model.bin is a pickle, which can run code and is not read",
    ),
    (
        "missing tensor",
        tensors_of(lambda t: {k: v for k, v in t.items() if k != LAST}),
        f"do not fit its config.json: {LAST} is missing.",
    ),
    (
        "extra tensor",
        tensors_of(lambda t: t | {"bert.encoder.more": t[LAST]}),
        "bert.encoder.more is not part of the model",
    ),
    (
        "misshapen tensor",
        tensors_of(lambda t: t | {WORDS: t[WORDS][1:]}),
        f"{WORDS} has shape (120, 32), not (121, 32)",
    ),
    (
        "transposed tensor",
        tensors_of(lambda t: t | {LAST: t[LAST].T.copy()}),
        f"{LAST} has shape (64, 32), not (32, 64)",
    ),
    (
        "other tensors",
        tensors_of(lambda t: {"lstm.weight": t[LAST]}),
        "; and 27 more; the file's own names are such as 'lstm.weight'.",
    ),
    (
        "two encoders",
        tensors_of(lambda t: {f"{side}.{n}": v for n, v in t.items() for side in "ab"}),
        "; the file's own names are such as 'a.bert.embeddings.LayerNorm.bias', 'a.bert",
    ),
    (
        "another family's encoder",
        tensors_of(lambda t: {n.replace("bert.", "roberta.", 1): v for n, v in t.items()}),
        "; the file's own names are such as 'cls.predictions.bias'",
    ),
    (
        "a pooler cut",
        tensors_of(lambda t: t | {"bert.pooler.dense.bias": t[WORDS][0]}),
        "do not fit its config.json: bert.pooler.dense.weight is missing.",
    ),
    (
        "a whole file under another name",
        lambda folder: (folder / WEIGHTS).rename(folder / "bert.safetensors"),
        f"lacks {WEIGHTS}, but holds bert.safetensors: rename a whole file to {WEIGHTS}",
    ),
    (
        "pickles in parts",
        instead_of(WEIGHTS, "pytorch_model-1.bin", "pytorch_model-2.bin", "optimizer.pt"),
        "; pytorch_model-1.bin, pytorch_model-2.bin are pickles and are not read: convert",
    ),
    (
        "only the Trainer's own pickles",
        instead_of(WEIGHTS, "training_args.bin", "optimizer.pt", "rng_state.pth"),
        f"lacks {WEIGHTS}; download it too, or, where there is only a pytorch_model.bin",
    ),
    (
        "of TensorFlow",
        instead_of(WEIGHTS, "tf_model.h5"),
        "; tf_model.h5 holds weights for TensorFlow, which are not read: fetch model.safetensors"
        " too, or convert them with transformers 4, TensorFlow and torch: transformers."
        "AutoModelForMaskedLM.from_pretrained(folder, from_tf=True).save_pretrained(folder).",
    ),
    ("of Flax", instead_of(WEIGHTS, "flax_model.msgpack"), "for Flax, which are not read: fetch"),
    (
        "of ONNX",
        instead_of(WEIGHTS, "onnx/model.onnx"),
        "; onnx/model.onnx holds weights for ONNX, which are not read: give the folder",
    ),
    ("of llama.cpp", instead_of(WEIGHTS, "bert.gguf"), "; bert.gguf holds weights for llama.cpp"),
    ("an adapter", adapter, "that it is an adapter, a few matrices to be added to the model 'a/b'"),
    (
        "in checkpoints",
        in_checkpoints,
        f"has no {CONFIG}, but folders in it have ('checkpoint-1000', 'checkpoint-500'); give one",
    ),
    (
        "one under two names",
        tensors_of(lambda t: t | {WORDS[5:]: t[WORDS]}),
        f"holds {WORDS} a second time",
    ),
    (
        "integers",
        tensors_of(lambda t: t | {LAST: t[LAST].astype(np.int32)}),
        f"{LAST} holds int32 values, not floating-point ones",
    ),
    (
        "complex numbers",
        tensors_of(lambda t: t | {LAST: t[LAST].astype(np.complex64)}),
        f"{LAST} holds complex64 values",
    ),
    ("nan", with_value(np.nan), f"{LAST} holds 1 infinite or NaN value"),
    ("infinity", with_value(np.inf), f"{LAST} holds 1 infinite or NaN value"),
    (
        "beyond float32",
        tensors_of(lambda t: t | {LAST: np.full((32, 64), 1e300)}),
        f"{LAST} holds 2,048 infinite or NaN values",
    ),
    (
        "index of a lost shard",
        index_of('{"weight_map": {"a": "model-00001.safetensors"}}'),
        "lacks model-00001.safetensors",
    ),
    (
        "index out of the folder",
        index_of('{"weight_map": {"a": "../../etc/x.safetensors"}}'),
        "lacks x.safetensors",
    ),
    ("index of the parent", index_of('{"weight_map": {"a": ".."}}'), "lacks .."),
    ("index without a map", index_of("{}"), f"{INDEX} has no weight_map"),
    (
        "index of a long name",
        index_of(json.dumps({"weight_map": {"a": "x" * 999}})),
        "lacks xxx",
    ),
    ("index of numbers", index_of('{"weight_map": {"a": 1}}'), f"{INDEX} has no weight_map"),
    ("index of a list", index_of('{"weight_map": ["a"]}'), f"{INDEX} has no weight_map"),
    ("index that is cut", index_of('{"weight_map": {\n"a":'), f"{INDEX}, line 2 is no JSON"),
]
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
TOKENIZER = "has no tokenizer that transformers can load ("
BAD_TOKENIZERS: list[tuple[str, Edit, str]] = [
    (
        "gone",
        lambda folder: (folder / "tokenizer.json").unlink(),
        "has no tokenizer; put one of tokenizer.json",
    ),
    (
        "a folder higher",
        below_the_tokenizer,
        "has no tokenizer; copy it from ",
    ),
    (
        "without merges.txt",
        instead_of("tokenizer.json", "vocab.json"),
        "has vocab.json, but lacks merges.txt; download it too",
    ),
    (
        "without vocab.json",
        instead_of("tokenizer.json", "merges.txt"),
        "has merges.txt, but lacks vocab.json; download it too",
    ),
    (
        "a spiece.model alone",
        instead_of("tokenizer.json", "spiece.model"),
        "has spiece.model, but lacks tokenizer.json; download it too, or make it with transformers"
        " 4 (pip install 'transformers<5' sentencepiece)",
    ),
    (
        "a sentencepiece.bpe.model alone",
        instead_of("tokenizer.json", "sentencepiece.bpe.model"),
        "has sentencepiece.bpe.model, but lacks tokenizer.json; download it too, or make it with",
    ),
    (
        "an spm.model alone",
        instead_of("tokenizer.json", "spm.model"),
        "has spm.model, but lacks tokenizer.json; download it too, or make it with transformers 4",
    ),
    ("empty", text_of("tokenizer.json", ""), TOKENIZER),
    ("a pointer", text_of("tokenizer.json", POINTER.decode()), "is a pointer of Git LFS and not"),
    ("cut", file_of("tokenizer.json", lambda b: b[:300]), TOKENIZER),
    ("a list", text_of("tokenizer.json", "[]"), TOKENIZER),
    ("of an unknown kind", words_of(lambda c: c["model"].update(type="New")), TOKENIZER),
    ("settings cut", text_of("tokenizer_config.json", "{"), TOKENIZER),
    ("settings a list", text_of("tokenizer_config.json", "[]"), TOKENIZER),
    ("no padding token", without_padding, "has no padding token; add one (pad_token) to it"),
    (
        "no unknown token",
        words_of(lambda c: (c["model"].update(unk_token="[NEW]"), c["model"]["vocab"].pop("the"))),
        "cannot cut the sentences (",
    ),
    (
        "panicking",
        words_of(lambda c: c["post_processor"]["special_tokens"].clear()),
        "cannot cut the sentences (",
    ),
    (
        "an id beyond the rows",
        words_of(lambda c: c["model"]["vocab"].update(the=5000)),
        "gives id 5000, but the model has 121 embedding rows",
    ),
    (
        "the first id beyond the rows, unused",
        words_of(lambda c: c["model"]["vocab"].update(zebra=121)),
        "gives id 121, but the model has 121",
    ),
    (
        "fewer rows",
        tensors_of(lambda t: t | {WORDS: t[WORDS][:100]}),
        f"{WORDS} has shape (100, 32)",
    ),
]
BAD_MODELS = [
    (f"{part}: {name}", edit, says)
    for part, table in (
        ("weights", BAD_WEIGHTS),
        ("config.json", BAD_CONFIGS),
        ("tokenizer", BAD_TOKENIZERS),
    )
    for name, edit, says in table
]
