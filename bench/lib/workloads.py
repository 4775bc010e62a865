"""The pipelines that several benchmarks run, and what is measured of them.

Their activities are empty, which is SELECT 1: what is left is ours.
"""
import json
import time

from lib.harness import Session, either, median, percentile, pgbench, wait_until

# An error where the run did not succeed.
WAIT = "SELECT 1 / (mlpipe_wait(:run) = 'succeeded')::integer"


def activity(name, *depends_on, sql="SELECT 1"):
    return {"name": name, "type": "sql", "sql": sql, "depends_on": list(depends_on)}


def chain(length, sql="SELECT 1"):
    return [activity(f"a{i}", *([f"a{i - 1}"] if i else []), sql=sql) for i in range(length)]


def fan_out():
    """One activity, then three branches of four, then one that waits for all: 14."""
    activities = [activity("backup")]
    for branch in ("wine", "cancer", "digits"):
        before = "backup"
        for step in ("load", "flag", "classify", "write"):
            activities.append(activity(f"{branch}_{step}", before))
            before = f"{branch}_{step}"
    return activities + [activity("report", "wine_write", "cancer_write", "digits_write")]


def create_pipeline(session, name, activities):
    document = json.dumps({"activities": activities}).replace("'", "''")
    session.run(f"SELECT mlpipe_create_pipeline('{name}', '{document}')")


def prepare(session):
    session.run("CREATE TABLE IF NOT EXISTS sent (run_id bigint);"
                "CREATE TABLE IF NOT EXISTS seen (run_id bigint, at timestamptz)")
    create_pipeline(session, "one", [activity("only")])
    create_pipeline(session, "chain", chain(40))
    create_pipeline(session, "fan_out", fan_out())
    create_pipeline(session, "stamp", [activity("only", sql="INSERT INTO seen VALUES (mlpipe_run_id(), clock_timestamp())")])
    create_pipeline(session, "stamps", chain(40, sql="INSERT INTO seen VALUES (mlpipe_run_id(), clock_timestamp())"))
    for name in ("one", "chain", "fan_out", "stamp"):
        rate(session, name, 20)


def wait_for_all(session):
    wait_until(lambda: session.value("SELECT NOT EXISTS (SELECT FROM mlpipe.run WHERE finished_at IS NULL)") == "t")


def must_have_succeeded(session, first, last):
    """What fails is soon over: a benchmark of that would be a good one."""
    failed = session.rows(f"SELECT run_id FROM mlpipe.run WHERE run_id BETWEEN {first} AND {last}"
                          f" AND status <> 'succeeded' LIMIT 1")
    if failed:
        raise RuntimeError(session.value(f"SELECT format('run %s %s: %s', run_id, status, error) FROM mlpipe_runs"
                                         f" WHERE run_id = {failed[0][0]}"))


def rate(session, pipeline, count):
    """Runs a second, of so many submitted at once: from the submit's commit to the last one's end."""
    first, last = session.rows(f"SELECT min(r), max(r) FROM"
                               f" (SELECT mlpipe_submit('{pipeline}') AS r FROM generate_series(1, {count})) s")[0]
    started = session.value("SELECT clock_timestamp()")
    session.run(f"SELECT mlpipe_wait({last})")
    wait_for_all(session)
    must_have_succeeded(session, first, last)
    return count / session.number(
        f"SELECT extract(epoch FROM max(finished_at) - least(min(started_at), '{started}'))"
        f" FROM mlpipe.run WHERE run_id BETWEEN {first} AND {last}")


def fan_out_rate(session):
    return rate(session, "fan_out", 200)


def one_rate(session):
    return rate(session, "one", either(2000, 10000))


def chain_ms(count=40, database="bench"):
    """Submitted and waited for by a client, whose round trips count too, and which a failure stops."""
    _, latencies = pgbench(f"SELECT mlpipe_submit('chain') AS run \\gset\n{WAIT};\n",
                           "-c", "1", "-t", str(count), database=database)
    return median(latencies)


def dispatch_ms(session, count, pause="10 ms", before="", database="bench"):
    """Milliseconds from a commit that submits a run to its first statement.

    The commit is asynchronous: its flush comes after the time that the server
    keeps of it.  Needs track_commit_timestamp.
    """
    session.run("TRUNCATE sent, seen")
    pgbench(f"{before}INSERT INTO sent SELECT mlpipe_submit('stamp');\n\\sleep {pause}\n",
            "-c", "1", "-t", str(count), database=database, options="-c synchronous_commit=off")
    wait_for_all(session)
    return all_of(count, session.numbers(
        "SELECT 1000 * extract(epoch FROM seen.at - pg_xact_commit_timestamp(sent.xmin)) FROM sent JOIN seen USING (run_id)"))


def dependent_ms(session, runs):
    """Milliseconds from an activity's only statement to its dependent's: its end, two commits' worth of work, a start."""
    session.run("TRUNCATE seen")
    for _ in range(runs):
        session.run(f"SELECT mlpipe_submit('stamps') AS run \\gset\n{WAIT}")
    return all_of(39 * runs, session.numbers(
        "SELECT gap FROM (SELECT 1000 * extract(epoch FROM at - lag(at)"
        " OVER (PARTITION BY run_id ORDER BY at)) AS gap FROM seen) s WHERE gap IS NOT NULL"))


def all_of(count, times):
    if len(times) != count:
        raise RuntimeError(f"{len(times)} of {count} activities have left a time")
    return times


def batches_rate(session, batches, workers, deciles=None):
    """Empty mini-batches a second: each reads its one row, returns nothing, and is recorded."""
    session.run(f"CREATE TABLE IF NOT EXISTS items_{batches} AS SELECT i FROM generate_series(1, {batches}) i")
    document = {"activities": [{
        "name": "step", "type": "parallel", "input": {"table": f"items_{batches}"}, "mini_batch_size": "1 rows",
        "run": "SELECT i FROM mini_batch WHERE i < 0", "count": "none", "max_concurrency_per_instance": workers}]}
    run = session.value(f"SELECT mlpipe_submit('{json.dumps(document)}'::jsonb)")
    if session.value(f"SELECT mlpipe_wait({run})") != "succeeded":
        raise RuntimeError(session.value(f"SELECT error FROM mlpipe.run WHERE run_id = {run}"))
    if deciles is not None:
        deciles.extend(session.numbers(
            f"SELECT count(*) / extract(epoch FROM max(finished_at) - min(finished_at)) FROM (SELECT finished_at,"
            f" ntile(10) OVER (ORDER BY finished_at) AS decile FROM mlpipe.mini_batch WHERE run_id = {run}) s"
            f" GROUP BY decile ORDER BY decile"))
    return session.number(f"SELECT count(*) / extract(epoch FROM max(finished_at) - min(started_at))"
                          f" FROM mlpipe.mini_batch WHERE run_id = {run}")
