"""One row of `seeds_per_hour.py` for PyTorch, in a process of its own: prints one JSON line.

`trainer` is the Hugging Face Trainer as its users run it: dynamic padding, its defaults. `loop` is
the fastest plain loop: SDPA attention, fused AdamW, dynamic padding, nothing logged; `--bfloat16`
adds autocast, `--compile` torch.compile.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers

from jaxtune.config.settings import SweepConfig
from jaxtune.data.dataset import read_dataset
from jaxtune.data.packing import trial_batches
from jaxtune.data.tokens import load_tokenizer, tokenize

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def examples_in_order(config: SweepConfig, num_steps: int) -> tuple[list[dict], int]:
    """The training examples of seed 0 in the order jaxtune takes them, as the Trainer wants them;
    and the label count.
    """
    dataset = read_dataset(config)
    tokenizer = load_tokenizer(Path(config.model))
    table = tokenize(tokenizer, dataset.train, config.max_length, len(tokenizer))
    batches = trial_batches(0, len(table), config.batch_size, num_steps)
    examples = []
    for index in batches[batches >= 0]:
        place = slice(table.starts[index], table.starts[index] + table.lengths[index])
        ids = table.ids[place].tolist()
        examples.append(
            {
                "input_ids": ids,
                "token_type_ids": table.token_types[place].tolist(),
                "attention_mask": [1] * len(ids),
                "labels": int(table.labels[index]),
            }
        )
    return examples, dataset.task.num_labels


def make_model(config: SweepConfig, num_labels: int, attention: str | None) -> torch.nn.Module:
    """From the folder's weights, or from its config alone."""
    options = {} if attention is None else {"attn_implementation": attention}
    if config.random_weights:
        architecture = transformers.AutoConfig.from_pretrained(config.model, num_labels=num_labels)
        auto = transformers.AutoModelForSequenceClassification
        return auto.from_config(architecture, **options).to(DEVICE)
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        config.model, num_labels=num_labels, **options
    ).to(DEVICE)


def time_trainer(config: SweepConfig, warm: int, steps: int) -> list[float]:
    """Seconds of each step after the first `warm`."""
    examples, num_labels = examples_in_order(config, warm + steps)
    stamps = []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            stamps.append(time.perf_counter())

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *args):
            return torch.utils.data.SequentialSampler(examples)

    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=config.batch_size,
            max_steps=warm + steps,
            learning_rate=config.learning_rate,
            report_to=[],
            disable_tqdm=True,
        )
        tokenizer = load_tokenizer(Path(config.model))
        collate = transformers.DataCollatorWithPadding(tokenizer)
        model = make_model(config, num_labels, None)
        trainer = InOrder(
            model, arguments, train_dataset=examples, data_collator=collate, callbacks=[Clock()]
        )
        trainer.train()
    return np.diff(stamps[warm - 1 :]).tolist()


def time_loop(
    config: SweepConfig, warm: int, steps: int, bfloat16: bool, compiled: bool
) -> list[float]:
    """Seconds of each step after the first `warm`."""
    examples, num_labels = examples_in_order(config, warm + steps)
    collate = transformers.DataCollatorWithPadding(load_tokenizer(Path(config.model)))
    model = make_model(config, num_labels, "sdpa").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, fused=True)
    forward = torch.compile(model, dynamic=True) if compiled else model
    size = config.batch_size
    batches = [collate(examples[i : i + size]) for i in range(0, len(examples), size)]
    times = []
    for batch in batches:
        began = time.perf_counter()
        batch = batch.to(DEVICE)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
            loss = forward(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return times[warm:]


def main() -> None:
    """Command line; see the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=["trainer", "loop"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--random_weights", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--warm", type=int, default=4)
    given = parser.parse_args()
    config = SweepConfig(
        model=given.model,
        task=given.task,
        data_dir=given.data_dir,
        random_weights=given.random_weights,
    )
    if given.row == "trainer":
        times = time_trainer(config, given.warm, given.steps)
    else:
        times = time_loop(config, given.warm, given.steps, given.bfloat16, given.compile)
    if DEVICE == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds_per_seed_step": statistics.mean(times), "peak_memory": memory}))


if __name__ == "__main__":
    main()
