"""Every setting of a sweep, once: its name, type, default and help."""

import dataclasses
from typing import Literal

GLUE = ("rte", "mrpc", "cola", "qnli", "sst2", "stsb", "wnli", "mnli", "qqp")
SUPERGLUE = ("boolq", "cb", "wic")  # beside RTE
TASKS = (*GLUE, *SUPERGLUE, "custom", "miniature")
# Delimiters that a shell or an editor makes hard to type.
DELIMITERS = {"\\t": "\t", "tab": "\t"}
TrackerName = Literal["wandb", "mlflow", "trackio"]
ClusterName = Literal["ray"]
MetricName = Literal[
    "accuracy",
    "entity_f1",
    "f1",
    "micro_f1",
    "macro_f1",
    "balanced_accuracy",
    "matthews",
    "auroc",
    "pearson",
    "spearman",
    "mse",
]
# What each tracker's extra brings; MLflow writes a local database through the other two.
TRACKER_MODULES: dict[TrackerName, tuple[str, ...]] = {
    "wandb": ("wandb",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "trackio": ("trackio",),
}
# Dense layers of a block that an adapter may be put beside, where the block has them.
ADAPTED = ("query", "key", "value", "attention_output", "intermediate", "gate", "output")


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Fine-tunes many seeds of a BERT-like encoder in one compiled program and reports how stable
    the recipe is.

    Most fields may also be swept: `--grid.learning_rate 1e-5 2e-5 --grid.bias_correction true
    false` runs every combination, each with every seed. `--recipe NAME` and `--config FILE.yaml`
    set fields from files. With none of these, --model or --task the packaged quickstart runs,
    offline.
    """

    model: str | None = None
    """Hugging Face folder or hub id of a BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ALBERT, DistilBERT,
    ELECTRA, MPNet, ModernBERT or DeBERTa (v2, v3) checkpoint; `miniature` is the packaged one.
    """
    task: str | None = None
    """rte, mrpc, cola, qnli, sst2, stsb, wnli, mnli, qqp, boolq, cb, wic, custom (files of one's
    own), or the packaged miniature.
    """
    out: str | None = None
    """Folder for the results (default: runs/TASK-MODEL); the same command goes on where it stopped.
    """
    revision: str | None = None
    """Branch, tag or commit of the model on the hub; null is its main branch."""

    # Data
    data_dir: str | None = None
    """Folder with the task's folder: GLUE's own (RTE/train.tsv ...), the hub's Parquet
    (rte/train-00000-of-00001.parquet ...) or SuperGLUE's (BoolQ/train.jsonl ...); without it the
    hub's nyu-mll/glue is used.
    """
    train_file: str | None = None
    """Training file of task custom: .csv, .tsv, .jsonl, .json, .parquet, or a folder that datasets
    has saved.
    """
    dev_file: str | None = None
    """Development file of task custom."""
    more_dev_files: tuple[str, ...] = ()
    """Further dev files of task custom, as NAME=FILE: scored as NAME/METRIC after the last step.
    """
    test_file: str | None = None
    """File of task custom that every trial answers after its last step; scored as test/METRIC where
    it has labels.
    """
    predict_test: bool = False
    """Every trial answers the task's test split after its last step; `jaxtune predict OUT --glue
    glue.zip` makes a submission of that.
    """
    text_columns: tuple[str, ...] = ("text",)
    """One or two text columns of task custom."""
    label_column: str = "label"
    """Label column of task custom."""
    regression: bool = False
    """Task custom predicts a number instead of a class."""
    several_labels: bool = False
    """Texts of task custom have any number of labels: `a|b` in the label column, a list of them in
    JSON, or a column for each, see label_columns.
    """
    label_columns: tuple[str, ...] = ()
    """With several_labels: a column of 0 and 1 for every label, instead of the label column."""
    token_classification: bool = False
    """Every word of a text of task custom has a class, its tag: named entities, parts of speech.
    Files are in columns, as the CoNLL tasks write them (.conll, .txt, .tsv ...), or hold a list of
    words and one of tags (.jsonl, .parquet ...); of columns text_columns and label_column are
    numbers, or names in line 1, by default the first and the last.
    """
    classes: tuple[str, ...] = ()
    """Classes of task custom, in the order of the logits; without them the labels of the training
    file, numbers by value and words by spelling.
    """
    delimiter: str | None = None
    """What parts the columns of a .csv or .tsv file of task custom: one character, or tab; null is
    a comma in .csv and a tab in .tsv.
    """
    quoting: bool | None = None
    """Whether quotes in a .csv or .tsv file of task custom hold a cell together (true) or are text
    (false); null is true in .csv and false in .tsv, and refuses what seems written otherwise.
    """
    metric: MetricName | None = None
    """What the dev set is scored by, and failure judged by (mse: lower is better); null is the
    task's own.
    """
    positive_class: str | None = None
    """Which of two classes F1 is of; null is GLUE's own, else the second class."""
    train_examples: int | None = None
    """Train on a random subset of this size."""
    subset_seed: int = 0
    """Which random subset `train_examples` draws."""
    stratify: bool = False
    """The subset keeps every class's share, and one example of it at least."""
    dev_fraction: float | None = None
    """Share of the training examples that is held out of training, of every class alike, to choose
    by: patience and the best parameters go by these, and the dev set is for the report alone.
    """
    dev_fraction_seed: int = 0
    """Which examples `dev_fraction` holds out."""
    max_length: int = 128
    """Longest sequence in tokens; longer ones are cut, longest sentence first. Recorded is the
    length in use, which is no more than the model has positions for.
    """
    use_token_types: bool = True
    """Tell sentence A from B by token types; false repeats the paper's code, which dropped them."""
    packing: bool = True
    """Lay several sequences side by side in a row; false pads one sequence per row. Same
    mathematics.
    """
    compact_vocabulary: bool = True
    """Train only the embedding rows of words in the data; the others are given back after. Same
    mathematics.
    """

    # Seeds
    num_seeds: int = 32
    """Trials per arm, with seeds 0, 1, ...; each seeds initialisation, data order and dropout."""
    until_decided: bool = False
    """Look at the verdict after num_seeds per arm, and go on with twice as many each time until one
    arm is shown to be more stable than all others; the tests are valid at every look.
    """
    max_seeds: int = 128
    """With until_decided: trials per arm at the last look."""
    seeds: str | None = None
    """Explicit seeds instead, such as 0-31,77."""
    init_seeds: str | None = None
    """With order_seeds: crossed design, every initialisation with every data order."""
    order_seeds: str | None = None
    """See init_seeds."""
    dropout_seeds: str | None = None
    """Third factor of a crossed design; by default dropout is seeded with the order seed."""

    # Optimiser (AdamW)
    learning_rate: float = 2e-5
    """Peak learning rate."""
    bias_correction: bool = True
    """Adam's bias correction; false is BERT's original optimiser."""
    num_epochs: int = 3
    """Passes over the training set."""
    max_steps: int | None = None
    """Optimiser steps; overrides num_epochs."""
    batch_size: int = 16
    """Examples per step."""
    warmup_ratio: float = 0.1
    """Share of all steps with a linearly rising learning rate."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Learning rate after the warm-up."""
    weight_decay: float = 0.01
    """Decoupled; not on biases and LayerNorm."""
    adam_b1: float = 0.9
    """Decay of the first moment."""
    adam_b2: float = 0.999
    """Decay of the second moment; the paper's RoBERTa runs use 0.98."""
    adam_eps: float = 1e-6
    """Added to the uncorrected root of the second moment."""
    max_grad_norm: float | None = 1.0
    """Clip gradients to this L2 norm; null is off."""
    clip_per_tensor: bool = False
    """Clip every tensor by itself, as BertAdam did, the PyTorch port of BERT's optimiser."""
    dropout: float | None = None
    """All dropout rates; null keeps the checkpoint's own."""
    class_weights: str | None = None
    """What each class counts in the training loss: `balanced` is in inverse proportion to its
    training examples, `0.7,1.3` are numbers in the order of the logits; null counts all alike.
    """
    label_smoothing: float = 0.0
    """Share of each label that the training loss spreads evenly over all classes; 0 is off."""

    # Links of Adam (see docs/links.md)
    correct_moments: Literal["both", "first", "second"] = "both"
    """Which moments bias_correction corrects; the second alone is AdamD (St John 2021)."""
    correct_eps: bool = False
    """Multiply adam_eps by sqrt(1 - b2^t): with bias_correction this is Adam as torch and optax
    compute it; without, what the correction does to eps is left of it.
    """
    second_moment_init: float = 0.0
    """What the second moment starts from, in squares of the first gradient; 0 is Adam, 1 with
    bias_correction is GI-Adam (Kalra and Barkeshli 2024).
    """
    untuned_warmup: bool = False
    """Multiply the learning rate by min(1, t (1 - b2) / 2), a warm-up over 2 / (1 - b2) steps (Ma
    and Yarats 2021), on top of warmup_ratio.
    """
    update_clipping: bool = False
    """Divide each tensor's learning rate by the root mean square of gradient over root of second
    moment, where that is above 1 (StableAdamW, Wortsman et al. 2023).
    """
    rectify: bool = False
    """RAdam (Liu et al. 2020): steps are as much smaller as the second moment is unsure, and the
    first few do not divide by it.
    """

    # Averages of the weights, evaluated and saved in place of the last ones (see docs/links.md)
    ema_decay: float = 0.0
    """Decay of an exponential moving average of the weights over the steps, without the weights
    before training; 0 is off. It takes 4 bytes more for each trained parameter.
    """
    average_last: int = 0
    """Mean of the weights after each of the last so many steps (stochastic weight averaging,
    Izmailov et al. 2018), at the same price; 0 is off.
    """

    # Less than all (see docs/lora.md)
    lora_rank: int = 0
    """Rank of adapters beside frozen dense layers (LoRA, Hu et al. 2022): the encoder is held once
    for all trials, and each trains its adapters and its head; 0 is off.
    """
    lora_alpha: float = 16.0
    """With lora_rank: adapters are multiplied by lora_alpha / lora_rank."""
    use_rslora: bool = False
    """Multiply adapters by lora_alpha / sqrt(lora_rank) instead (Kalajdzievski 2023)."""
    lora_dropout: float = 0.0
    """Dropout of what adapters read."""
    lora_init: Literal["kaiming", "pissa"] = "kaiming"
    """What adapters start from: A drawn by each trial and B zero, or, the same for all trials, the
    principal singular vectors of the layer, which keeps the rest (PiSSA, Meng et al. 2024).
    """
    lora_targets: tuple[str, ...] = ("query", "value")
    """Dense layers of every block that have an adapter: query, key, value, attention_output,
    intermediate, gate, output, or all.
    """
    lora_b_lr_ratio: float = 1.0
    """Learning rate of the adapters' B over that of all else (LoRA+, Hayou et al. 2024)."""
    train: Literal["all", "bias", "head", "head_then_all"] | None = None
    """What is trained without adapters: all, the head and every bias (BitFit, Ben Zaken et al.
    2022), the head alone (linear probing), or the head alone first and then all (LP-FT, Kumar et
    al. 2022); null is all, or with lora_rank the adapters and the head.
    """
    head_ratio: float = 0.5
    """With train head_then_all: share of all steps in which the head alone is trained; 0 is none.
    """
    head_learning_rate: float | None = None
    """With train head_then_all: peak learning rate of those steps; null is learning_rate."""

    # Mitigations (see --recipe)
    mixout: float = 0.0
    """Probability that a step puts an input's weights in a dense layer back to where the trial
    started (Lee et al. 2020).
    """
    pretrained_decay: float = 0.0
    """Decoupled decay towards where the trial started, the pre-trained weights; not on biases and
    LayerNorms.
    """
    layerwise_lr_decay: float = 1.0
    """Learning rate's factor per block below the head, embeddings last; 1 is off."""
    reinit_layers: int = 0
    """Top blocks that each trial draws anew, and the pooler with them; 0 leaves both pre-trained.
    """

    # Running and recording
    eval_every: int | None = None
    """Steps between evaluations on the dev set; null is once an epoch. The end is always evaluated.
    """
    log_every: int = 10
    """Steps between records of loss, learning rate and gradient norms."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products; parameters and moments stay float32. On a CPU bfloat16 is that of the
    blocks' dense layers alone.
    """
    trials_per_device: int | None = None
    """Trials stacked on each device; null chooses: one on CPU, what fits in memory elsewhere."""
    remat: Literal["none", "elementwise", "block"] | None = None
    """What the backward pass computes again instead of keeping: nothing, all that is no matrix
    product, or whole blocks, so that more trials fit in memory; null is none on CPU, elementwise
    elsewhere.
    """
    attention: Literal["products", "kernel"] = "products"
    """As plain matrix products, or as one kernel per row and head (GPU and TPU only)."""
    scan_layers: bool | None = None
    """Compile one block and run it in a loop over the layers; false writes every block out: nothing
    is copied into and out of stacks of layers, steps are often shorter, and compiling takes longer.
    null is false on CPU for up to 12 layers that share no weights, true elsewhere.
    """
    compile_cache: bool = True
    """Keep compiled programs in the user's cache folder, so that the next sweep of this shape
    starts at once.
    """
    save_params: Literal["none", "best", "final", "all"] = "none"
    """Which parameters of each trial to keep in OUT/params; all is best and final."""
    checkpoint_every: int | None = None
    """Steps between checkpoints of the running group; null is about every ten minutes."""
    early_stop: float | None = None
    """Share of the training after which trials that have learnt nothing are stopped; null lets
    every trial end.
    """
    keep_trials: int | None = None
    """With early_stop: how many trials of each arm go on at most, best dev score so far first."""
    patience: int | None = None
    """Evaluations in a row without a better score after which a trial stops; null lets every trial
    end.
    """
    track: TrackerName | None = None
    """Where all trials go as runs when the sweep has ended, with the report, beside TensorBoard's
    files: to W&B, MLflow or trackio, local and offline unless their own variables say otherwise.
    """
    random_weights: bool = False
    """Take only the architecture from the model folder's config.json, with random weights."""
    dry_run: bool = False
    """Try a few steps, print the plan (trials, tokens, memory, time, effective learning rates) and
    stop.
    """
    device: tuple[str, ...] = ()
    """With dry_run: compile for these devices, which need not be there, and print what each would
    hold and, by the model, take: h100, h200, a100, a100_40gb, l4, v5e, v5p, v6e.
    """
    shard: str | None = None
    """One of so many parts of the trials, such as 3/10, into a folder of its own below OUT;
    `jaxtune merge` joins the parts.
    """
    cluster: ClusterName | None = None
    """Train on the nodes of a running Ray cluster, a worker for each GPU, or for all CPUs of a node
    where no node has a GPU; this process plans and writes.
    """
    ray_address: str | None = None
    """With cluster: HOST:PORT of the cluster's head, or auto; null is auto, the cluster that this
    machine is in.
    """
    runtime_env: bool = False
    """With cluster: send this package to the nodes, and model and data up to 4 GB; else all of it
    lies there, the files under the same paths.
    """
    overwrite: bool = False
    """Replace the results that OUT holds."""
