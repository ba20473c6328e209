"""What `jaxtune.run_sweep` and `load_results` give: tables, verdict, comparisons and figures."""
