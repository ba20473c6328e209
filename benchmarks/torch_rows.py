"""One row of `seeds_per_hour.py` for PyTorch, in a process of its own: prints one JSON line.

`trainer` is the Hugging Face Trainer as its users run it: dynamic padding, its defaults. `loop` is
the fastest plain loop: SDPA attention, fused AdamW, dynamic padding, nothing logged; `--bfloat16`
adds autocast, `--compile` torch.compile, and `--unpad` lays sequences side by side in rows, as
jaxtune does (BERT only).
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch_unpadded
import transformers

from jaxtune.config.settings import SweepConfig
from jaxtune.data.dataset import read_dataset
from jaxtune.data.packing import trial_batches
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Called once a row is warm; several that run side by side wait for each other here.
Gate = Callable[[], None]


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
    """From the folder's weights, or from its config alone; with adapters by peft where the config
    has them.
    """
    options = {} if attention is None else {"attn_implementation": attention}
    auto = transformers.AutoModelForSequenceClassification
    if config.random_weights:
        architecture = transformers.AutoConfig.from_pretrained(config.model, num_labels=num_labels)
        model = auto.from_config(architecture, **options)
    else:
        model = auto.from_pretrained(config.model, num_labels=num_labels, **options)
    if not config.lora_rank:
        return model.to(DEVICE)
    import peft

    adapters = peft.LoraConfig(
        task_type="SEQ_CLS",  # which trains the classifier beside them
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules=list(config.lora_targets),
    )
    return peft.get_peft_model(model, adapters).to(DEVICE)


def time_trainer(
    config: SweepConfig, warm: int, steps: int, bfloat16: bool, gate: Gate
) -> list[float]:
    """Seconds of each step after the first `warm`."""
    examples, num_labels = examples_in_order(config, warm + steps)
    stamps = []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            if state.global_step == warm:
                gate()
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
            bf16=bfloat16,
            use_cpu=DEVICE == "cpu",
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
    config: SweepConfig, warm: int, steps: int, given: argparse.Namespace, gate: Gate
) -> list[float]:
    """Seconds of each step after the first `warm`."""
    examples, num_labels = examples_in_order(config, warm + steps)
    model = make_model(config, num_labels, "sdpa").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, fused=True)
    size = config.batch_size
    parts = [examples[i : i + size] for i in range(0, len(examples), size)]
    if given.unpad:
        module, batches = torch_unpadded.prepare(model, parts, config.max_length)
    else:
        collate = transformers.DataCollatorWithPadding(load_tokenizer(Path(config.model)))
        module, batches = model, [collate(part) for part in parts]
    forward = torch.compile(module, dynamic=True) if given.compile else module
    times = []
    for number, batch in enumerate(batches):
        if number == warm:
            gate()
        began = time.perf_counter()
        batch = {name: tensor.to(DEVICE) for name, tensor in batch.items()}
        with torch.autocast(DEVICE, torch.bfloat16, enabled=given.bfloat16):
            loss = forward(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return times[warm:]


def gate_of(file: Path | None, order: int) -> Gate:
    """Says that this process is warm, and waits until the file is there."""

    def wait() -> None:
        if file is None:
            return
        file.with_suffix(f".{order}").touch()
        while not file.exists():
            time.sleep(0.01)

    return wait


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
    parser.add_argument("--unpad", action="store_true")
    parser.add_argument("--lora_rank", type=int, default=0)
    parser.add_argument("--cuda", action="store_true", help="fail where there is none")
    parser.add_argument("--gate", type=Path, default=None, help="wait here once warm")
    parser.add_argument("--order", type=int, default=0, help="among those that wait")
    given = parser.parse_args()
    if given.cuda and DEVICE != "cuda":
        parser.exit(1, "This PyTorch has no CUDA.\n")
    config = SweepConfig(
        model=given.model,
        task=given.task,
        data_dir=given.data_dir,
        random_weights=given.random_weights,
        lora_rank=given.lora_rank,
    )
    gate, length = gate_of(given.gate, given.order), (given.warm, given.steps)
    if given.row == "trainer":
        times = time_trainer(config, *length, given.bfloat16, gate)
    else:
        times = time_loop(config, *length, given, gate)
    if DEVICE == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds_per_seed_step": statistics.mean(times), "peak_memory": memory}))


if __name__ == "__main__":
    main()
