"""The benchmark's table says of a row that cannot be true that it is noise."""

import seeds_per_hour


def test_a_row_above_the_rate_of_a_matrix_product_is_noise():
    rates = {"jaxtune, the command": 0.45, "layers in a loop, the command": 2.74}
    row = {"seconds_per_seed_step": 0.1, "tokens_per_second": 2e3, "seeds_per_hour": 20.0}
    row["peak_memory"] = 2**30
    rows = {name: row | {"share_of_matrix_rate": share} for name, share in rates.items()}
    rows["HF Trainer, peft"] = row | {"share_of_matrix_rate": 0.28}
    *_, last = seeds_per_hour.table(rows).splitlines()
    assert last == "Not possible, so noise: layers in a loop, the command; give more --steps."
    del rows["layers in a loop, the command"]
    assert "noise" not in seeds_per_hour.table(rows)
