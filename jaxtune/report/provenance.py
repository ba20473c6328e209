"""What the sweeps of a report were run with, and how fast they ran."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jaxtune.core.words import plural
from jaxtune.data.reading import readings_in, sentences
from jaxtune.report.findings import Findings
from jaxtune.report.sources import Source
from jaxtune.report.tables import Table, shown

THROUGHPUT_COLUMNS = (
    *("Sweep", "Trials", "Seeds per hour", "Tokens per second"),
    *("Time", "Compiling", "Memory"),
)
THROUGHPUT_NOTE = (
    "Of the run that finished the sweep, compiling and evaluating included; tokens are real ones,"
    " without padding. A sweep that has not finished shows its trials' own times."
)


def throughput_table(found: Findings) -> Table:
    """A row per sweep."""
    rows = tuple(_throughput_row(source) for source in found.sources if not source.reading)
    return Table("Throughput", THROUGHPUT_COLUMNS, rows, THROUGHPUT_NOTE)


def _throughput_row(source: Source) -> tuple[str, ...]:
    measured = source.throughput
    if measured is None or not measured.get("trials"):
        seconds = sum(row["seconds"] for row in source.rows)
        count = len(source.rows)
        measured = {"trials": count, "seconds": seconds}
        measured["seeds_per_hour"] = 3600 * count / seconds if seconds else None
    memory = measured.get("peak_memory_bytes")
    return (
        source.name,
        shown(measured["trials"], "{:,.0f}"),
        shown(measured.get("seeds_per_hour"), "{:,.0f}"),
        shown(measured.get("tokens_per_second"), "{:,.0f}"),
        shown(measured.get("seconds"), "{:,.1f} s"),
        shown(measured.get("compile_seconds"), "{:,.1f} s"),
        shown(None if memory is None else memory / 2**30, "{:.2f} GiB"),
    )


def provenance_table(source: Source) -> Table:
    """What the sweep was run with, a row per thing."""
    if source.reading:
        return Table(source.name, ("", ""), (("Read", " ".join(source.reading)), *_files(source)))
    manifest: dict[str, Any] = source.manifest
    packages, again = manifest.get("packages") or {}, len(manifest.get("continued") or [])
    rows = {
        "Folder": str(source.out),
        "Command": " ".join(map(str, manifest.get("command") or [])),
        "Data": _data(manifest),
        "Model": ", ".join(dict.fromkeys(str(row.get("model")) for row in source.rows)),
        "jaxtune": f"{manifest.get('jaxtune')}, commit {manifest.get('commit')}",
        "Packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "Python": str(manifest.get("python")),
        "Devices": _on_cluster(manifest) or _devices(manifest.get("devices") or []),
        "Precision": str(manifest.get("precision")),
        "Random numbers": str(manifest.get("prng")),
        "Drawn anew": _over_programs(manifest, "drawn_anew"),
        "Checkpoint": _over_programs(manifest, "checkpoint"),
        "Programs": "; ".join(map(_program, manifest.get("groups") or [])),
        "Continued": plural(again, "time") if again else "",
    }
    known = tuple(rows) if manifest else ("Folder", "Model")
    kept = [(what, value) for what, value in rows.items() if what in known and value]
    return Table(source.name, ("", ""), (*kept, *_files(source)))


def _files(source: Source) -> list[tuple[str, str]]:
    checksums = source.manifest.get("sha256") or {}
    return [(str(file), f"sha256 {sha}") for file, sha in checksums.items()]


def _data(manifest: dict[str, Any]) -> str:
    """What was read; nothing where an older manifest does not say it, or a damaged one."""
    try:
        return " ".join(sentences(readings_in(manifest)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


def _devices(devices: Sequence[str]) -> str:
    return ", ".join(f"{n} x {kind}" for kind, n in sorted(Counter(devices).items()))


def _on_cluster(manifest: dict[str, Any]) -> str:
    """The nodes of a Ray cluster that ran trials, and their devices; nothing where none did."""
    workers = manifest.get("cluster") or []
    nodes = {worker.get("node") for worker in workers}
    kinds = dict.fromkeys(str(each) for worker in workers for each in worker.get("devices") or [])
    return f"{plural(len(nodes), 'node')} of a Ray cluster: {', '.join(kinds)}" if nodes else ""


def _over_programs(manifest: dict[str, Any], fact: str) -> str:
    """The texts of a fact that is a list for every program, each once."""
    texts = [str(text) for group in manifest.get("groups") or [] for text in group.get(fact) or []]
    return (" " if fact == "checkpoint" else ", ").join(dict.fromkeys(texts))


def _program(group: dict[str, Any]) -> str:
    trials, steps = plural(group.get("trials", 0), "trial"), plural(group.get("steps", 0), "step")
    # Of a cluster each worker has its own.
    size = group.get("group_size") or "as many as each worker chose"
    frozen = group.get("frozen_parameters", 0)
    beside = f" trained beside {frozen:,} frozen ones" if frozen else ""
    return f"{trials} of {steps}, {size} at once, {group.get('parameters', 0):,} parameters{beside}"
