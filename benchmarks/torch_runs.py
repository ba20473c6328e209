"""Runs of a plain PyTorch loop, several seeds of two learning rates, for `jaxtune report`.

python benchmarks/torch_runs.py --model FOLDER --data_dir GLUE --task rte --train_examples 320 \
--num_seeds 8 --out RUNS
jaxtune report RUNS/scores.csv --metric accuracy
jaxtune report RUNS/runs --metric eval_accuracy
A line per run in scores.csv, and runs/ARM/seed_N with trainer_state.json in the Hugging Face
Trainer's form, and predictions.npy; labels.npy lies beside both. A run that is there is not
repeated.
"""

import argparse
import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from jaxtune.config.settings import SweepConfig
from jaxtune.data.dataset import read_dataset, subset
from jaxtune.data.examples import Examples
from jaxtune.data.tokenizer_folder import load_tokenizer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BATCH, EPOCHS, LOG_EVERY, MAX_LENGTH = 16, 3, 5, 128
STATE = "trainer_state.json"


def batches_of(
    tokenizer: Any, examples: Examples, order: np.ndarray
) -> Iterator[tuple[Any, torch.Tensor]]:
    """Padded batches with their labels, in this order."""
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        texts = [[examples.first[i] for i in part]]
        if examples.second is not None:
            texts.append([examples.second[i] for i in part])
        batch = tokenizer(
            *texts, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
        )
        labels = torch.from_numpy(examples.labels[part].astype(np.int64))
        yield batch.to(DEVICE), labels.to(DEVICE)


def run(config: SweepConfig, rate: float, seed: int, bfloat16: bool, folder: Path) -> float:
    """Trains one run, leaves its folder, and returns the dev accuracy after the last step."""
    torch.manual_seed(seed)
    dataset, tokenizer = read_dataset(config), load_tokenizer(Path(str(config.model)))
    rng, chosen = np.random.default_rng(seed), subset(config, dataset.train.labels)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        config.model, num_labels=dataset.task.num_labels
    ).to(DEVICE)
    total = EPOCHS * math.ceil(len(chosen) / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, total // 10, total)
    log, step = [], 0
    model.train()
    for _ in range(EPOCHS):
        for batch, labels in batches_of(tokenizer, dataset.train, rng.permutation(chosen)):
            with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
                loss = model(**batch, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step % LOG_EVERY == 0:
                now = schedule.get_last_lr()[0]
                log.append({"step": step, "loss": float(loss.detach()), "learning_rate": now})
    model.eval()
    order = np.arange(len(dataset.dev))
    with torch.no_grad():
        parts = [model(**b).logits.float() for b, _ in batches_of(tokenizer, dataset.dev, order)]
    logits = torch.cat(parts).cpu().numpy()
    score = float(np.mean(logits.argmax(axis=1) == dataset.dev.labels))
    log.append({"step": step, "eval_accuracy": score})
    folder.mkdir(parents=True, exist_ok=True)
    for place in folder.parents[1:3]:  # beside the folders, and beside the table
        np.save(place / "labels.npy", dataset.dev.labels)
    np.save(folder / "predictions.npy", logits)
    state = {"global_step": step, "log_history": log}
    (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
    return score


def main() -> None:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--task", default="rte")
    parser.add_argument("--train_examples", type=int, default=None)
    parser.add_argument("--rates", type=float, nargs=2, default=[2e-5, 2e-4])
    parser.add_argument("--num_seeds", type=int, default=8)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    config = SweepConfig(
        model=given.model,
        task=given.task,
        data_dir=given.data_dir,
        train_examples=given.train_examples,
    )
    rows = []
    for seed in range(given.num_seeds):
        for rate in given.rates:
            folder = given.out / "runs" / f"lr={rate:g}" / f"seed_{seed}"
            if (folder / STATE).exists():
                state = json.loads((folder / STATE).read_text(encoding="utf-8"))
                score = state["log_history"][-1]["eval_accuracy"]
            else:
                score = run(config, rate, seed, given.bfloat16, folder)
            place = folder.relative_to(given.out) / "predictions.npy"
            rows.append({"arm": f"lr={rate:g}", "seed": seed, "score": score, "predictions": place})
            print(f"lr={rate:g} seed {seed}: accuracy {score:.4f}", flush=True)
            with (given.out / "scores.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
