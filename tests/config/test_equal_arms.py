"""Arms of a grid that would train the same trials are named: no recipe is compared with itself."""

import pytest

from jaxtune.config.equal_arms import check_arms_differ
from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError


def check(flags: str, *without_effect: str) -> None:
    check_arms_differ(parse(["--model", "m", "--task", "rte", *flags.split()]), without_effect)


@pytest.mark.parametrize(
    ("flags", "one", "two", "field"),
    [
        (
            "--grid.lora_rank 0 8 --grid.lora_alpha 8 16",
            "lora_rank=0 lora_alpha=8.0",
            "lora_rank=0 lora_alpha=16.0",
            "lora_alpha",
        ),
        (
            "--lora_alpha 8 --grid.lora_rank 1 4 --grid.use_rslora false true",
            "lora_rank=1 use_rslora=false",
            "lora_rank=1 use_rslora=true",
            "use_rslora",
        ),
        (
            "--grid.lora_alpha 4 8 --lora_rank 4 --grid.use_rslora false true",
            "lora_alpha=4.0 use_rslora=true",  # 4 / 2 = 8 / 4
            "lora_alpha=8.0 use_rslora=false",
            None,
        ),
        (
            "--grid.train_examples null 100 --grid.subset_seed 0 1",
            "train_examples=null subset_seed=0",
            "train_examples=null subset_seed=1",
            "subset_seed",
        ),
        (
            "--grid.max_grad_norm null 1 --grid.clip_per_tensor true false",
            "max_grad_norm=null clip_per_tensor=true",
            "max_grad_norm=null clip_per_tensor=false",
            "clip_per_tensor",
        ),
        (
            "--grid.max_steps null 100 --grid.num_epochs 3 20",
            "max_steps=100 num_epochs=3",
            "max_steps=100 num_epochs=20",
            "num_epochs",
        ),
        ("--grid.train null all", "train=null", "train=all", "train"),
        ("--grid.eval_every 2 3", "eval_every=2", "eval_every=3", "eval_every"),
        ("--grid.log_every 2 3", "log_every=2", "log_every=3", "log_every"),
        ("--grid.average_last 0 1", "average_last=0", "average_last=1", "average_last"),
        (
            "--warmup_ratio 1 --grid.schedule linear cosine",
            "schedule=linear",
            "schedule=cosine",
            "schedule",
        ),
        (  # one number in float32
            "--grid.learning_rate 1e-5 1.00000000001e-5",
            "learning_rate=1e-05",
            "learning_rate=1.00000000001e-05",
            "learning_rate",
        ),
        (
            "--grid.class_weights 1,2 1.0,2.0",
            "class_weights=1,2",
            "class_weights=1.0,2.0",
            "class_weights",
        ),
        (
            "--train head_then_all --grid.head_ratio 0 0.3 --grid.head_learning_rate null 1e-2",
            "head_ratio=0.0 head_learning_rate=null",
            "head_ratio=0.0 head_learning_rate=0.01",
            "head_learning_rate",
        ),
        (
            "--train head_then_all --grid.head_learning_rate null 1e-2 --learning_rate 1e-2",
            "head_learning_rate=null",
            "head_learning_rate=0.01",
            "head_learning_rate",
        ),
    ],
)
def test_equal_arms_are_refused(flags, one, two, field):
    with pytest.raises(UserError) as error:
        check(flags)
    why = "what they differ in comes to the same"
    if field is not None:
        why = f"{field} makes no difference there"
    said = f"The arms [{one}] and [{two}] would train the same trials, for {why}; leave such"
    assert str(error.value).startswith(said)
    assert str(error.value).endswith("by themselves, with another --out.")


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--grid.bias_correction true false --grid.learning_rate 1e-5 2e-5",
        "--grid.lora_rank 0 8 --lora_alpha 8",
        "--grid.lora_rank 2 4 --grid.lora_alpha 8 20",
        "--grid.train_examples 50 100 --grid.subset_seed 0 1",
        "--grid.max_grad_norm 1 2 --grid.clip_per_tensor true false",
        "--grid.num_epochs 3 20",
        "--grid.learning_rate 1e-5 1.000001e-5",
        "--grid.average_last 0 2 --grid.schedule linear constant",
        "--grid.eval_every 2 3 --patience 2",
        "--grid.eval_every 2 3 --save_params best",
        "--grid.eval_every 2 3 --early_stop 0.3 --keep_trials 2",
        "--grid.log_every 2 3 --early_stop 0.3",
        "--grid.class_weights null balanced 1,2 2,1",
        "--train head_then_all --grid.head_ratio 0.1 0.3 --grid.head_learning_rate null 1e-2",
        # Of the same mathematics, with other roundings.
        "--grid.packing true false --grid.precision float32 bfloat16 --grid.remat none block",
        "--grid.use_token_types true false",
    ],
)
def test_arms_that_differ_are_accepted(flags):
    check(flags)


def test_what_a_model_makes_no_use_of():
    with pytest.raises(UserError, match="for use_token_types makes no difference there"):
        check("--grid.use_token_types true false", "use_token_types")


def test_a_folder_of_data_that_the_miniature_does_not_read(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("model: miniature\ngrid: {data_dir: [A, B]}\n")
    with pytest.raises(UserError, match="for data_dir makes no difference there"):
        check_arms_differ(parse(["--config", str(file)]))


@pytest.mark.parametrize("name", ["adam_eps", "learning_rate", "max_grad_norm"])
def test_numbers_that_a_device_takes_for_0_are_refused(name):
    with pytest.raises(UserError, match=f"{name} is 1e-39; give a finite number above 1.2e-38"):
        parse(["--model", "m", "--task", "rte", f"--{name}", "1e-39"])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--grid.subset_seed", "0", "1"), "subset_seed is 1, which a subset alone has"),
        (
            ("--grid.dev_fraction_seed", "0", "1"),
            "dev_fraction_seed is 1, which held-out examples alone have; give dev_fraction too",
        ),
        (
            ("--grid.clip_per_tensor", "false", "true", "--max_grad_norm", "null"),
            "clip_per_tensor is true, which clipping alone has; give max_grad_norm too",
        ),
        (
            ("--grid.num_epochs", "3", "20", "--max_steps", "50"),
            "num_epochs is swept and max_steps",
        ),
    ],
)
def test_arms_that_would_be_one_recipe_are_refused(flags, says):
    with pytest.raises(UserError, match=says):
        parse(["--model", "m", "--task", "rte", *flags])
