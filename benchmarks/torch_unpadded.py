"""BERT in PyTorch over rows that hold several sequences each, as jaxtune lays them: no empty slot
but at the end of a row, and attention within a sequence by a mask.
"""

from types import SimpleNamespace
from typing import Any

import torch


class Unpadded(torch.nn.Module):
    """A BertForSequenceClassification whose inputs are rows."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, first: torch.Tensor, labels: torch.Tensor, **inputs: torch.Tensor) -> Any:
        """Loss and logits of the sequences that begin at these flat slots (row * width + slot)."""
        states = self.model.bert(**inputs).last_hidden_state.flatten(0, 1)
        pooled = self.model.bert.pooler(states[first][:, None])
        logits = self.model.classifier(self.model.dropout(pooled)).float()
        return SimpleNamespace(
            loss=torch.nn.functional.cross_entropy(logits, labels), logits=logits
        )


def in_rows(examples: list[dict], width: int) -> dict[str, torch.Tensor]:
    """A batch in as few rows as the first that has room for each, longest first, gives."""
    room: list[int] = []
    places = {}
    by_length = sorted(range(len(examples)), key=lambda i: -len(examples[i]["input_ids"]))
    for number in by_length:
        length = len(examples[number]["input_ids"])
        row = next((row for row, left in enumerate(room) if left >= length), len(room))
        if row == len(room):
            room.append(width)
        places[number] = (row, width - room[row])
        room[row] -= length
    shape = (len(room), width)
    names = ("input_ids", "token_type_ids", "position_ids")
    batch = {name: torch.zeros(shape, dtype=torch.long) for name in names}
    segments = torch.zeros(shape, dtype=torch.long)
    for number, (row, start) in places.items():
        length = len(examples[number]["input_ids"])
        slots = slice(start, start + length)
        batch["input_ids"][row, slots] = torch.tensor(examples[number]["input_ids"])
        batch["token_type_ids"][row, slots] = torch.tensor(examples[number]["token_type_ids"])
        batch["position_ids"][row, slots] = torch.arange(length)
        segments[row, slots] = number + 1
    order = range(len(examples))
    return batch | {
        # [row, 1, slot, slot]: True where a slot may look.
        "attention_mask": (segments[:, None, :, None] == segments[:, None, None, :]),
        "first": torch.tensor([places[i][0] * width + places[i][1] for i in order]),
        "labels": torch.tensor([examples[i]["labels"] for i in order]),
    }


def prepare(
    model: Any, parts: list[list[dict]], width: int
) -> tuple[Unpadded, list[dict[str, torch.Tensor]]]:
    """The model over rows, and every batch in them; raises ValueError for what is no BERT."""
    if model.config.model_type != "bert":
        raise ValueError("--unpad knows BERT only")
    return Unpadded(model), [in_rows(part, width) for part in parts]
