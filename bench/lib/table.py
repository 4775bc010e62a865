"""Prints one table of what bench/run has collected, and writes it as JSON."""
import datetime
import json
import os
import platform
import sys


def machine():
    with open("/proc/cpuinfo") as cpus:
        model = next((line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as memory:
        total = int(memory.readline().split()[1])
    return {"processors": os.cpu_count(), "model": model, "memory_kb": total, "system": platform.platform(),
            "load": os.getloadavg()}


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def goal(row):
    parts = []
    if row["goal"] is not None:
        parts.append(("<= " if row["less_is_better"] else ">= ") + number(row["goal"]))
    if row["goal_ratio"] is not None:
        parts.append(f"{row['goal_ratio']}x")
    return ", ".join(parts)


def verdict(row):
    met = []
    if row["goal"] is not None:
        met.append(row["ours"] <= row["goal"] if row["less_is_better"] else row["ours"] >= row["goal"])
    if row["goal_ratio"] is not None:
        met.append(row["ratio"] is not None and row["ratio"] >= row["goal_ratio"])
    return "" if not met else "met" if all(met) else "MISSED"


def print_table(rows):
    cells = [("measure", "ours", "", "comparison", "", "ratio", "goal", "")]
    for row in rows:
        cells.append((row["measure"], number(row["ours"]), row["unit"], number(row["comparison"]), row["against"] or "",
                      number(row["ratio"]), goal(row), verdict(row)))
    widths = [max(len(cell[i]) for cell in cells) for i in range(len(cells[0]))]
    numeric = (1, 3, 5)
    for cell in cells:
        print("  ".join(text.rjust(width) if i in numeric else text.ljust(width)
                        for i, (text, width) in enumerate(zip(cell, widths))).rstrip())


with open(os.environ["BENCH_RESULTS"]) as results:
    records = [json.loads(line) for line in results]
rows = [record for record in records if "measure" in record]
print()
print_table(rows)
print("\nA ratio above 1 is in our favour.  Compare ratios, not numbers: both sides were measured in the same minutes.")
for record in records:
    if "not_run" in record:
        print(f"Not run: {record['not_run']} ({record['why']})")
with open(sys.argv[1], "w") as file:
    json.dump({
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "revision": os.environ.get("BENCH_REVISION"), "short": os.environ["BENCH_SHORT"] == "1", "machine": machine(),
        "servers": [record for record in records if "server" in record],
        "peers": [record for record in records if "peer" in record],
        "not_run": [record for record in records if "not_run" in record],
        "results": rows}, file, indent=1)
