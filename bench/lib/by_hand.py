"""The same work by hand: FOR UPDATE SKIP LOCKED, from pgbench and in a procedure.

The SQL is in by-hand.sql.
"""
import pathlib

from lib.harness import pgbench
from lib.workloads import chain, fan_out

ASYNCHRONOUS = "-c synchronous_commit=off"

ONE_ITEM = """BEGIN;
SELECT id FROM item WHERE status = 'ready' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED \\gset
SELECT 1;
UPDATE item SET status = 'done', finished_at = clock_timestamp() WHERE id = :id;
COMMIT;
"""

SIXTEEN_ITEMS = """BEGIN;
SELECT array_agg(id) AS ids FROM (SELECT id FROM item WHERE status = 'ready' ORDER BY id LIMIT 16 FOR UPDATE SKIP LOCKED) s \\gset
""" + "SELECT 1;\n" * 16 + """UPDATE item SET status = 'done', finished_at = clock_timestamp() WHERE id = ANY (:ids::bigint[]);
COMMIT;
"""


def prepare(session):
    session.run(pathlib.Path(__file__).with_name("by-hand.sql").read_text())
    for name, activities in (("fan_out", fan_out()), ("chain", chain(40))):
        numbers = {activity["name"]: no for no, activity in enumerate(activities)}
        edges = [f"('{name}', {numbers[before]}, {no})" for no, activity in enumerate(activities)
                 for before in activity["depends_on"]]
        session.run("INSERT INTO edge VALUES " + ", ".join(edges))
    session.run("ANALYZE edge")


def item_rate(session, count, workers=2, at_once=1, options=""):
    """Items a second by so many clients of pgbench."""
    session.run(f"TRUNCATE item; INSERT INTO item (status) SELECT 'ready' FROM generate_series(1, {count}); ANALYZE item")
    each = count // workers // at_once
    tps, _ = pgbench(ONE_ITEM if at_once == 1 else SIXTEEN_ITEMS,
                     "-c", str(workers), "-j", str(workers), "-t", str(each), options=options)
    return tps * at_once


def graph_rate(session, graph, count, workers=2, options="", leaves_only=False):
    """Runs a second of so many submitted at once, by so many workers that are there already.

    Each step counts down its run, or its leaves alone do.
    """
    session.run("TRUNCATE hand_run, hand_step")
    session.run(f"SELECT hand_submit('{graph}', {count}, {leaves_only})")
    session.run("ANALYZE hand_run, hand_step")
    pgbench(f"CALL hand_work({leaves_only});\n", "-c", str(workers), "-j", str(workers), "-t", "1", options=options)
    return count / session.number(
        "SELECT extract(epoch FROM max(finished_at) - (SELECT min(started_at) FROM hand_step)) FROM hand_run")
