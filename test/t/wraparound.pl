
# Copyright (c) 2026, the mlpipe authors

# Transaction ids wrap around in the middle of runs, and ids of runs are beyond
# 32 bits.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('wraparound', 'mlpipe.max_executors' => 3);

# What is older has to be frozen before the next half of all ids can be used.
sub go_to_xid
{
	my $xid = shift;
	my $segment = sprintf '%s/pg_xact/%04X', $node->data_dir, int($xid / (8192 * 4 * 32));

	$node->safe_psql('postgres', 'ALTER DATABASE template0 ALLOW_CONNECTIONS on');
	$node->safe_psql($_, 'VACUUM FREEZE') foreach 'template0', 'template1', 'postgres';
	$node->stop;
	append_to_file($segment, "\0" x (8192 * 32)) unless -e $segment;
	system_or_bail('pg_resetwal', '--next-transaction-id' => $xid, '-D', $node->data_dir);
	$node->start;
}

$node->safe_psql('postgres', q{
	CREATE TABLE input AS SELECT i AS id, 'old' AS what FROM generate_series(1, 300) i;
	CREATE TABLE output (run_id bigint, id integer, what text);
	CREATE TABLE effect (run_id bigint, item integer);
	CREATE PROCEDURE burn(n integer) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$;
	SELECT setval('mlpipe.run_run_id_seq', 5000000000)});
go_to_xid(2_000_000_000);
go_to_xid(4_000_000_000);
go_to_xid(2**32 - 1500);

my $step = submit($node, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "input"}, "mini_batch_size": "1 rows", "max_concurrency_per_instance": 1,
	"run": "SELECT mlpipe_run_id(), id, what FROM mini_batch, pg_sleep(0.01)", "append_row_to": "output"}]}');
my $keys = submit($node, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "input"}, "partition_keys": ["id"], "max_concurrency_per_instance": 1,
	"run": "SELECT mlpipe_run_id(), id, what FROM mini_batch, pg_sleep(0.01)", "append_row_to": "output"}]}');
my $loop = submit($node, '{"activities": [{"name": "each", "type": "for_each", "items": {"query": "SELECT g FROM generate_series(1, 300) g"}, "batch_count": 2,
	"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO effect SELECT mlpipe_run_id(), ${{ item.g }} FROM pg_sleep(0.005)"}]}]}');
cmp_ok($step, '>', 2**32, 'ids of runs are beyond 32 bits');
ok(wait_until($node, "(SELECT count(*) > 20 FROM mlpipe.mini_batch WHERE run_id = $step)"), 'a step is in the middle');

# Its rows change, are vacuumed as far as that goes, and ids wrap around.
my $before = $node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
$node->safe_psql('postgres', "UPDATE input SET what = 'new'");
$node->safe_psql('postgres', "CALL burn(2000)");
$node->safe_psql('postgres', "VACUUM input");
my $after = $node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
ok($before < 2**32 && $after > 2**32, 'transaction ids wrap around');
is(wait_run($node, $step), 'succeeded', 'the step ends');
is(wait_run($node, $keys), 'succeeded', 'so does one by partition keys');
is(wait_run($node, $loop), 'succeeded', 'and a loop');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id), min(what), max(what) FROM output WHERE run_id = $step"), '300|300|old|old', 'with each row once, as it was when the step began');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id) FROM output WHERE run_id = $keys"), '300|300', 'with each partition once');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT item) FROM effect WHERE run_id = $loop"), '300|300', 'and each iteration');
ok(wait_until($node, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type LIKE 'mlpipe%' AND backend_xmin IS NOT NULL)"), 'nothing is held back');
ok(all_executors_work($node), 'work goes on');
ok(!log_has($node, qr/(PANIC|TRAP|could not access status)/), 'and nothing has gone wrong');
$node->stop;

done_testing();
