
# Copyright (c) 2026, the mlpipe authors

# Parallel steps by partition keys: their staged rows are unlogged, and a crash
# in the middle neither loses a row nor has one done twice.  Nothing is left
# behind, whatever happens.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('parallel_keys', 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 3,
	'mlpipe.pack_mem' => '1MB');
my $directory = 'base/' . $node->safe_psql('postgres', 'SELECT oid FROM pg_database WHERE datname = current_database()');

sub stages
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relnamespace = 'mlpipe'::regnamespace AND relname ~ '^(stage|keys)_'");
}

sub step
{
	my ($keys, $run, $more) = @_;

	return submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"table": "sales"}, "partition_keys": [$keys],
		"retry_settings": {"max_retries": 2, "timeout": 60}, "run": "$run", "max_concurrency_per_instance": 2 ) . ($more // '') . '}]}');
}

# Kills a worker that is in the middle of the step, which takes the server down.
sub kill_worker
{
	my ($run) = @_;
	my $offset = -s $node->logfile;
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM mlpipe_executors WHERE run_id = $run AND state <> 'idle' LIMIT 1");

	return 0 if $pid eq '';
	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	await_server($node);
	return 1;
}

$node->safe_psql('postgres', q(
	CREATE TABLE sales AS SELECT i AS id, i % 2500 AS store, nullif(i % 3, 0) AS product, CASE WHEN i % 500 = 0 THEN repeat(md5(i::text), 200) END AS note
	FROM generate_series(1, 60000) i;
	CREATE TABLE seen (id integer, store integer, product integer, batch integer, bytes integer)));

my $run = step('"store", "product"',
	"SELECT id, store, product, (mlpipe_batch()->>'number')::integer, length(note) FROM mini_batch, (SELECT pg_sleep(0.001) FROM mini_batch LIMIT 1) s",
	', "append_row_to": "seen"');
my $kills = 0;
my $most = 0;
for (1 .. 4)
{
	my $wanted = $most + 400;
	wait_until($node, "(SELECT count(*) >= $wanted OR (SELECT status = 'succeeded' FROM mlpipe_runs WHERE run_id = $run) FROM mlpipe.mini_batch WHERE run_id = $run)");
	$most = $node->safe_psql('postgres', "SELECT count(*) FROM mlpipe.mini_batch WHERE run_id = $run");

	# In no mini-batch: a new key.
	$node->safe_psql('postgres', q(INSERT INTO sales VALUES (0, 1000000, 7, 'new key')));
	$kills += kill_worker($run);
}
cmp_ok($kills, '>=', 2, "the server was killed $kills times in the middle of the step");
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '60 s')"), 'succeeded', 'the step ends');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), sum(bytes) FROM seen'),
	$node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), sum(length(note)) FROM sales WHERE id > 0'),
	'every row is in the output exactly once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT batch FROM seen GROUP BY batch HAVING count(DISTINCT (store, product)) > 1) x'),
	'0', 'no mini-batch has rows of two partitions');
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT store, product FROM seen GROUP BY 1, 2 HAVING count(DISTINCT batch) > 1) x'),
	'0', 'no partition is in two mini-batches');
is($node->safe_psql('postgres', "SELECT count(*) = count(DISTINCT batch), count(*), bool_and(status = 'succeeded') FROM mlpipe.mini_batch WHERE run_id = $run AND final"),
	't|7500|t', 'each mini-batch has one final row');
is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM mlpipe_logs WHERE run_id = $run AND message LIKE 'staged % partitions again in %'"),
	't', 'and the log says that rows were staged again');
is(stages(), '0', 'nothing that was staged is left');

# Another row of a partition that is not done: nobody could tell it from one that
# was in another partition before.
$node->safe_psql('postgres', q(
	CREATE TABLE changed AS SELECT i AS id, i % 10 AS k FROM generate_series(1, 1000) i));
make_gate($node);
$run = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"table": "changed"}, "partition_keys": ["k"], "max_concurrency_per_instance": 1,
	"run": "SELECT id, k FROM mini_batch, (SELECT pass_gate()) g", "append_row_to": "seen_2"}]}));
wait_until($node, "to_regclass('seen_2') IS NOT NULL");
wait_until($node, '(SELECT count(*) = 100 FROM seen_2)');
$node->safe_psql('postgres', 'INSERT INTO changed SELECT 1001 + k, k FROM generate_series(0, 9) k WHERE k NOT IN (SELECT k FROM seen_2)');
is(kill_worker($run), 1, 'the server was killed after rows had been added to partitions');
$node->safe_psql('postgres', 'INSERT INTO gate VALUES (true)');
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '60 s')"), 'failed', 'the step fails');
is($node->safe_psql('postgres', "SELECT error FROM mlpipe_activities WHERE run_id = $run"), 'the input has changed since a crash took the rows that were staged', 'and says so');
$run = $node->safe_psql('postgres', "SELECT mlpipe_rerun($run)");
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '60 s')"), 'succeeded', 'a rerun does the partitions that are left');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM seen_2'), '1009|1009', 'with all of their rows, once');
is(stages(), '0', 'nothing that was staged is left');

# What "columns" stages is a table of another kind.
$node->safe_psql('postgres', 'TRUNCATE gate');
$run = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT i AS id, i % 10 AS k FROM generate_series(1, 20000) i"}, "partition_keys": ["k"],
	"columns": ["id"], "max_concurrency_per_instance": 1, "run": "SELECT id, (mlpipe_batch()->>'k')::integer AS k FROM mlpipe_unpack(mlpipe_column('id')) id, (SELECT pass_gate()) g", "append_row_to": "seen_3"}]}));
wait_until($node, "to_regclass('seen_3') IS NOT NULL");
wait_until($node, '(SELECT count(*) = 2000 FROM seen_3)');
$node->safe_psql('postgres', 'CHECKPOINT');
is(kill_worker($run), 1, 'the server was killed while columns were handed out');
$node->safe_psql('postgres', 'INSERT INTO gate VALUES (true)');
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '60 s')"), 'succeeded', 'the step ends');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), sum((id::integer % 10 <> k)::integer) FROM seen_3'), '20000|20000|0', 'with every number once');
is($node->safe_psql('postgres', "SELECT count(*) FROM mlpipe_logs WHERE run_id = $run AND message LIKE 'staged 9 partitions again in %'"), '1', 'of which the rest was staged again');
is(stages(), '0', 'nothing that was staged is left');

# A crash while rows are staged.
$node->safe_psql('postgres', 'TRUNCATE seen; DELETE FROM sales WHERE id = 0; CREATE TABLE more AS SELECT * FROM sales, generate_series(1, 60)');
my $slow = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"table": "more"},
	"partition_keys": ["store"], "run": "SELECT count(*) FROM mini_batch"}]}));
my $temporary = $node->data_dir . '/base/pgsql_tmp';
for (1 .. 200)
{
	last if -d $temporary && slurp_dir($temporary) > 2;
	select(undef, undef, undef, 0.01);
}
$node->safe_psql('postgres', 'CHECKPOINT');
is(kill_worker($slow), 1, 'the server was killed while rows were staged');
is($node->safe_psql('postgres', "SELECT mlpipe_wait($slow, '60 s')"), 'succeeded', 'the step is split again, and ends');
is(stages(), '0', 'nothing that was staged is left');

# A cancel, while rows are staged and while mini-batches run.
$slow = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT * FROM sales WHERE id < 60000 OR pg_sleep(60) IS NOT NULL"},
	"partition_keys": ["store"], "run": "SELECT count(*) FROM mini_batch"}]}));
ok(wait_until($node, "(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep')"), 'rows are being staged');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($slow)");
is(wait_run($node, $slow), 'cancelled', 'the run is cancelled');
$slow = step('"store"', 'SELECT pg_sleep(60)');
ok(wait_until($node, "(SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event = 'PgSleep')"), 'mini-batches run');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($slow)");
is(wait_run($node, $slow), 'cancelled', 'the run is cancelled');
is(stages(), '0', 'nothing that was staged is left');
wait_until($node, "(SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep')");

# One key with half of all rows, and little memory.
$run = submit($node, q({"activities": [{"name": "p", "type": "parallel",
	"input": {"query": "SELECT i, CASE WHEN i % 2 = 0 THEN -1 ELSE i % 1000 END AS k, repeat('x', 100) AS filler FROM generate_series(1, 1000000) i"},
	"partition_keys": ["k"], "run": "SELECT k, count(*) AS n, count(DISTINCT i) AS different, sum(i::bigint) AS total FROM mini_batch GROUP BY k", "append_row_to": "counts"}]}));
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '60 s')"), 'succeeded', 'a partition that does not fit into the memory');
is($node->safe_psql('postgres', 'SELECT count(*), sum(n), sum(different), sum(total), max(n) FROM counts'), '501|1000000|1000000|500000500000|500000', 'is whole');
is($node->safe_psql('postgres', "SELECT items_in FROM mlpipe_batches WHERE run_id = $run AND batch = 1"), '500000', 'and comes first');

# Rows are kept where others' temporary files are.
$node->safe_psql('postgres', "SET allow_in_place_tablespaces = on; CREATE TABLESPACE elsewhere LOCATION ''");
$node->append_conf('postgresql.conf', "temp_tablespaces = 'elsewhere'\nlog_temp_files = 0");
$node->restart;
my $before = -s $node->logfile;
$run = step('"product"', 'SELECT 1');
is(wait_run($node, $run), 'succeeded', 'a step with temporary files');
my $log = slurp_file($node->logfile, $before);
like($log, qr!temporary file: path "pg_tblspc/!, 'has them in a tablespace for such files');
unlike($log, qr!temporary file: path "base/!, 'and nowhere else');

# A plan for the largest partition would be compiled for each small one.
$node->append_conf('postgresql.conf', 'jit_above_cost = 500');
$node->restart;
$node->safe_psql('postgres', q(CREATE FUNCTION costly(i integer) RETURNS integer COST 1000 LANGUAGE plpgsql AS 'BEGIN RETURN i; END'));
$run = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT i, CASE WHEN i <= 1000 THEN 0 ELSE i END AS k FROM generate_series(1, 1200) i"},
	"partition_keys": ["k"], "run": "SELECT costly(i) FROM mini_batch", "append_row_to": "costs",
	"shutdown": "CREATE TABLE IF NOT EXISTS compiled AS SELECT pg_read_file('/proc/self/maps') LIKE '%llvmjit%' AS compiled"}]}));
is(wait_run($node, $run), 'succeeded', 'partitions of very different sizes');
SKIP: {
	skip 'no list of what a process has loaded', 1 unless -e '/proc/self/maps';
	is($node->safe_psql('postgres', 'SELECT count(*) FROM compiled WHERE compiled'), '0', 'nothing is compiled for the small ones');
}

# Every file that has more in it than an empty index belongs to a relation.
$node->safe_psql('postgres', 'CHECKPOINT');
my $known = $node->safe_psql('postgres', "SELECT string_agg(pg_relation_filenode(oid)::text, ' ') FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL");
my %known = map { $_ => 1 } split ' ', $known;
my @unknown = grep { /^(\d+)/ && !$known{$1} && (-s $node->data_dir . "/$directory/$_") > 8192 } slurp_dir($node->data_dir . "/$directory");
is("@unknown", '', 'no file is left');
my @temporary = grep { !/^\./ } slurp_dir($temporary);
is("@temporary", '', 'and no temporary one');
$node->stop;
done_testing();
