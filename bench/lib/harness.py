"""What every benchmark needs: a server of its own, SQL, pgbench, and a way to
say what it has measured.

Python's standard library has no driver for PostgreSQL, so a session here is a
psql that stays connected.  Load that has to be even comes from pgbench.  Times
come from the server's clock wherever both ends of them are in the server.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]

# Started by its name, a benchmark has itself run as bench/run runs it.
if "BENCH_RESULTS" not in os.environ:
    os.execv(TOP / "bench/run", ["bench/run", os.path.basename(sys.argv[0])])

SHORT = os.environ["BENCH_SHORT"] == "1"
DATABASE = "bench"

# No checkpoint shall fall into one of two measurements that are compared.
SETTINGS = ["shared_buffers = 512MB", "max_wal_size = 8GB", "checkpoint_timeout = 1h"]


def either(short, full):
    return short if SHORT else full


class Session:
    """A psql that stays connected."""

    def __init__(self, database=DATABASE, options=""):
        self.psql = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, PGDATABASE=database, PGOPTIONS="-c client_min_messages=warning " + options))

    def rows(self, sql):
        self.psql.stdin.write(sql + "\n;\n\\echo -- end\n")
        self.psql.stdin.flush()
        rows = []
        for line in self.psql.stdout:
            if line == "-- end\n":
                return rows
            rows.append(line.rstrip("\n").split("\t"))
        raise RuntimeError("psql ended at: " + sql)

    def run(self, sql):
        self.rows(sql)

    def value(self, sql):
        return self.rows(sql)[0][0]

    def number(self, sql):
        return float(self.value(sql))

    def numbers(self, sql):
        return [float(row[0]) for row in self.rows(sql)]

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


class Server:
    """A temporary server, with the extension in a database named bench."""

    def __init__(self, *settings):
        self.data = pathlib.Path(os.environ["PGHOST"]).parent / "data"
        self.settings = SETTINGS + list(settings)

    def __enter__(self):
        shutil.rmtree(self.data, ignore_errors=True)
        script("start", *self.settings)
        self.create_database(DATABASE)
        remember_server()
        return self

    def __exit__(self, *exception):
        script("stop")
        shutil.rmtree(self.data)

    def create_database(self, name):
        subprocess.run(["createdb", name], check=True)
        session = Session(name)
        session.run("CREATE EXTENSION mlpipe")
        session.close()

    def processes(self):
        """Pids by what they are: {'mlpipe scheduler': [...], 'walwriter': [...], ...}."""
        found = {}
        session = Session("postgres")
        for pid, kind in session.rows("SELECT pid, backend_type FROM pg_stat_activity WHERE pid <> pg_backend_pid()"):
            found.setdefault(kind, []).append(int(pid))
        session.close()
        return found


def script(*arguments):
    subprocess.run(["scripts/temp-server", *arguments], cwd=TOP, check=True)


def pgbench(sql, *arguments, database=DATABASE, options=""):
    """Runs a pgbench script; returns (transactions a second, their latencies in ms)."""
    room = pathlib.Path(os.environ["TMPDIR"])
    file = room / "script.sql"
    file.write_text(sql)
    for old in room.glob("pgbench.*"):
        old.unlink()
    output = subprocess.run(
        ["pgbench", "-n", "-M", "prepared", "-l", "--log-prefix", str(room / "pgbench"), "-f", str(file), *arguments],
        env=dict(os.environ, PGDATABASE=database, PGOPTIONS=options), check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    tps = [line for line in output.splitlines() if line.startswith("tps =")]
    latencies = [int(line.split()[2]) / 1000 for log in room.glob("pgbench.*") for line in log.read_text().splitlines()]
    return float(tps[0].split()[2]), latencies


def median(numbers):
    return statistics.median(numbers)


def percentile(numbers, percent):
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def taking_turns(rounds, *measures):
    """The median of each measure, taken to and fro, so that a noisy moment of the machine meets all."""
    results = [[] for _ in measures]
    for turn in range(rounds):
        order = list(zip(measures, results))
        for measure, kept in order if turn % 2 == 0 else reversed(order):
            kept.append(measure())
    return [median(kept) for kept in results]


def wait_until(condition, timeout=600):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain")
        time.sleep(0.01)


def report(measure, ours, unit, against=None, comparison=None, less_is_better=False, goal=None, goal_ratio=None):
    """Adds a row to the table.  A ratio above 1 is in our favour."""
    row = {"measure": measure, "ours": ours, "unit": unit, "against": against, "comparison": comparison,
           "ratio": None, "goal": goal, "goal_ratio": goal_ratio, "less_is_better": less_is_better}
    if comparison and ours:
        row["ratio"] = comparison / ours if less_is_better else ours / comparison
    add(row)
    compared = f"; {against}: {comparison:.4g}, ratio {row['ratio']:.2f}" if row["ratio"] else ""
    print(f"   {measure}: {ours:.4g} {unit}{compared}", flush=True)


def ran(peer, version):
    add({"peer": peer, "version": version})


def not_run(peer, why):
    add({"not_run": peer, "why": why})
    print(f"   {peer}: not run ({why})", flush=True)


def remember_server():
    session = Session("postgres")
    settings = dict(session.rows("SELECT name, setting || coalesce(unit, '') FROM pg_settings"
                                 " WHERE source = 'configuration file' ORDER BY name"))
    add({"server": session.value("SHOW server_version"), "benchmark": os.path.basename(sys.argv[0]),
         "settings": settings})
    session.close()


def add(record):
    with open(os.environ["BENCH_RESULTS"], "a") as results:
        results.write(json.dumps(record) + "\n")
