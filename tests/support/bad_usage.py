"""Command lines whose words fit no flag, and the sentence that says so."""

from jaxtune.config.parse import SWEPT_FIELDS

SWEPT = ", ".join(SWEPT_FIELDS)
# Status 2: words that fit no flag. The whole sentence after `error: `.
USAGE = [
    ("--learning_rat 1", "--learning_rat is no flag; did you mean --learning_rate?"),
    ("--learning-rat 1", "--learning-rat is no flag; did you mean --learning_rate?"),
    ("--num_sedes=3", "--num_sedes is no flag; did you mean --num_seeds?"),
    ("--rank 8", "--rank is no flag; did you mean --lora_rank?"),
    ("--eps 1e-8", "--eps is no flag; did you mean --adam_eps or --correct_eps?"),
    (
        "--warmup 0.1",
        "--warmup is no flag; did you mean --warmup_ratio or --untuned_warmup?",
    ),
    ("--ratio 0.1", "--ratio is no flag; --help lists all."),
    ("--DRY-RUN", "--DRY-RUN is no flag; did you mean --dry_run?"),
    ("--zebra 1", "--zebra is no flag; --help lists all."),
    ("--bias_corection", "--bias_corection is no flag; did you mean --bias_correction?"),
    ("--no_paking", "--no_paking is no flag; did you mean --packing?"),
    ("--no_num_seeds", "--no_num_seeds is no flag; did you mean --num_seeds?"),
    ("--no_packing=true", "--no_packing takes no value; give --packing true or false."),
    ("--no-packing false", "--no-packing takes no value; give --packing true or false."),
    ("--model=", "--model is ''; give a text or null."),
    ("--config=", "--config is ''; give a path, or a list of them."),
    ("--out=", "--out is ''; give a text or null."),
    ("--seeds=", "--seeds is ''; give a text or null."),
    ("--data_dir=", "--data_dir is ''; give a text or null."),
    ("--model=", "--model is ''; give a text or null."),
    (
        "--grid.learning_rat 1",
        "learning_rat is no field that can be swept; did you mean learning_rate?",
    ),
    ("--grid.foo 1 2", f"foo is no field that can be swept; accepted are {SWEPT}."),
    ("--grid.seeds 1 2", f"seeds is no field that can be swept; accepted are {SWEPT}."),
    (
        "--grid.text_columns a b",
        f"text_columns is no field that can be swept; accepted are {SWEPT}.",
    ),
    ("--lr 1", "--lr is no flag; did you mean --learning_rate?"),
    ("-x", "-x is no flag; --help lists all."),
    ("-num_epochs 1", "-num_epochs is no flag; did you mean --num_epochs?"),
    (
        "--num_seeds 3 stray",
        "'stray' after --num_seeds is one word too many; --num_seeds takes a whole number.",
    ),
    (
        "--num_epochs 1 2",
        "'2' after --num_epochs is one word too many; --num_epochs takes a whole number.",
    ),
    (
        "--packing maybe",
        "'maybe' after --packing is one word too many; --packing takes true or false.",
    ),
    ("--packing=maybe", "--packing is 'maybe'; give true or false."),
    ("--packing=null", "--packing is 'null'; give true or false."),
    ("--learning_rate fast", "--learning_rate is 'fast'; give a number."),
    ("--num_epochs 2.5", "--num_epochs is '2.5'; give a whole number."),
    ("--num_epochs=", "--num_epochs is ''; give a whole number."),
    ("--num_epochs null", "--num_epochs is 'null'; give a whole number."),
    ("--max_steps soon", "--max_steps is 'soon'; give a whole number or null."),
    ("--num_epochs", "--num_epochs has no value; give a whole number."),
    ("--num_epochs --dry_run", "--num_epochs has no value; give a whole number."),
    ("--precision float16", "--precision is 'float16'; give float32 or bfloat16."),
    ("--schedule linaer", "--schedule is 'linaer'; give linear, cosine or constant."),
    (
        "--metric acc",
        "--metric is 'acc'; give accuracy, entity_f1, f1, micro_f1, macro_f1, balanced_accuracy,"
        " matthews, auroc, pearson, spearman, mse or null.",
    ),
    ("--positive_class=", "--positive_class is ''; give a text or null."),
    ("--grid.patience 2 3", f"patience is no field that can be swept; accepted are {SWEPT}."),
    ("--grid.metric f1", f"metric is no field that can be swept; accepted are {SWEPT}."),
    ("--save_params some", "--save_params is 'some'; give none, best, final or all."),
    ("--text_columns", "--text_columns has no value; give a text, or a list of them."),
    (
        "--grid.learning_rate",
        "--grid.learning_rate has no value; give a number, or a list of them.",
    ),
    (
        "--grid.learning_rate --grid.adam_b2 0.9",
        "--grid.learning_rate has no value; give a number, or a list of them.",
    ),
    (
        "--grid.learning_rate 1e-5 fast",
        "--grid.learning_rate is 'fast'; give a number, or a list of them.",
    ),
    (
        "--grid.bias_correction 2",
        "--grid.bias_correction is '2'; give true or false, or a list of them.",
    ),
    (
        "--grid.num_epochs 1 1.5",
        "--grid.num_epochs is '1.5'; give a whole number, or a list of them.",
    ),
    ("--config", "--config has no value; give a path, or a list of them."),
    ("--recipe mosbac", "mosbac is no recipe; did you mean mosbach?"),
    (
        "--learning_rate 5e-5 --grid.learning_rate 1e-5 2e-5",
        "learning_rate is 5e-05, which is none of the values of grid.learning_rate and would count"
        " for nothing; leave one of them out, or give a whole config as --config FILE.",
    ),
]
