"""A tokenizer written into a model's folder, as transformers reads it there."""

from pathlib import Path

from jaxtune.core.files import read_json, write_json
from jaxtune.data.tokens import load_tokenizer


def write_tokenizer(
    folder: Path, source: Path, max_length: int, input_names: list[str], of_words: bool = False
) -> None:
    """The tokenizer of `source`, cutting at `max_length`, for transformers 4 and 5.

    Args:
        of_words: whether it gets texts that are words already.
    """
    tokenizer = load_tokenizer(source, of_words)
    tokenizer.model_max_length = max_length
    tokenizer.model_input_names = input_names
    # Saved is the attribute's value, but only of what was given when the tokenizer was made.
    tokenizer.init_kwargs["model_input_names"] = input_names
    for how_it_was_read in ("is_local", "local_files_only", "name_or_path"):
        tokenizer.init_kwargs.pop(how_it_was_read, None)
    tokenizer.save_pretrained(folder)
    _spell_for_transformers_4(folder / "tokenizer_config.json")


def _spell_for_transformers_4(path: Path) -> None:
    """Puts two words of transformers 5 that 4 cannot load in those of 4, which both can."""
    config = read_json(path)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):  # 4 has named ones there, as a mapping
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    write_json(path, config)
