"""The unpadded PyTorch row of the benchmarks computes what the padded one does."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch_unpadded = pytest.importorskip("torch_unpadded")


def test_sequences_side_by_side_have_the_logits_of_padded_ones():
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_labels=3
    )
    model = transformers.BertForSequenceClassification(config).eval()
    lengths, draw = [5, 9, 12, 3, 7], np.random.default_rng(0)
    examples = [
        {
            "input_ids": draw.integers(5, 50, length).tolist(),
            "token_type_ids": draw.integers(0, 2, length).tolist(),
            "labels": number % 3,
        }
        for number, length in enumerate(lengths)
    ]
    padded = {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    for example in examples:
        empty = [0] * (16 - len(example["input_ids"]))
        padded["input_ids"].append(example["input_ids"] + empty)
        padded["token_type_ids"].append(example["token_type_ids"] + empty)
        padded["attention_mask"].append([1] * (16 - len(empty)) + empty)
    labels = torch.tensor([example["labels"] for example in examples])
    unpadded, batches = torch_unpadded.prepare(model, [examples], 16)
    with torch.no_grad():
        plain = model(labels=labels, **{name: torch.tensor(v) for name, v in padded.items()})
        rows = unpadded(**batches[0])
    assert batches[0]["input_ids"].shape == (3, 16)
    torch.testing.assert_close(rows.logits, plain.logits, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(rows.loss, plain.loss)


def test_other_families_are_refused():
    model = transformers.RobertaForSequenceClassification(
        transformers.RobertaConfig(
            vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
        )
    )
    with pytest.raises(ValueError, match="BERT only"):
        torch_unpadded.prepare(model, [], 16)
