"""What tests of exports share: the command, and a folder's logits in torch as a user gets them."""

import json

from hf import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

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


def write_jsonl(path, texts, labels):
    lines = [json.dumps({"text": t, "label": y}) for t, y in zip(texts, labels, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def export(out, trial, to, *flags):
    return main([str(out), "--trial", str(trial), "--to", str(to), *flags])
