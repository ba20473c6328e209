"""What tests of exports share: the command, and a folder's logits in torch as a user gets them."""

import json

import numpy as np
from hf import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from jaxtune.export.__main__ import main


def torch_logits(folder, *texts):
    """What a user of the card's snippet gets."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(info.values()), info
    inputs = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**inputs).logits.numpy()


def word_logits(folder, words):
    """What a user of the card's snippet gets, at the first token of each word."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    inputs = tokenizer(
        words, is_split_into_words=True, truncation=True, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**inputs).logits.numpy()
    found = []
    for i in range(len(words)):
        of_word = inputs.word_ids(i)
        places = [t for t, w in enumerate(of_word) if w is not None and w != of_word[t - 1]]
        found.append(logits[i, places])
    return np.concatenate(found)


def write_jsonl(path, texts, labels):
    lines = [json.dumps({"text": t, "label": y}) for t, y in zip(texts, labels, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def export(out, trial, to, *flags):
    return main([str(out), "--trial", str(trial), "--to", str(to), *flags])
