
# Copyright (c) 2026, the mlpipe authors

# What a step's mini-batches still have to read is not vacuumed away between a
# start of the server and the moment when the step is found again, however long
# that takes: here until a lock is released that has come through the crash, or
# because the launcher hangs, as it reads a pipe that nobody writes to.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX qw(mkfifo);
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('horizon', 'mlpipe.max_executors' => 2, 'max_prepared_transactions' => 1);
my $launcher_holds = q((SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE backend_type = 'mlpipe launcher'));
my $keeper_holds = q(EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'mlpipe keeper' AND backend_xmin IS NOT NULL));

my $directory = $node->data_dir . '/mlpipe_horizon';
my $pipe = "$directory/4294967292";

make_gate($node);

# In the middle of a step all of whose rows are updated after the split, the
# server is stopped so, and their table vacuumed as soon as it is back.
sub restart_in_a_step
{
	my ($mode, $size, $launcher_hangs) = @_;

	$node->safe_psql('postgres', q(
		DROP TABLE IF EXISTS part, scored;
		TRUNCATE gate;
		CREATE TABLE part AS SELECT i AS id, 0 AS v FROM generate_series(1, 2000) i;
		CREATE TABLE scored (id integer, v integer)));
	my $run = submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"table": "part"}, "mini_batch_size": "$size",
		"max_concurrency_per_instance": 1, "run": "SELECT id, v FROM mini_batch, (SELECT pass_gate()) g", "append_row_to": "scored"}]}));
	wait_until($node, 'EXISTS (SELECT FROM scored)');
	$node->safe_psql('postgres', 'UPDATE part SET v = 1; ALTER ROLE CURRENT_USER CONNECTION LIMIT -1');
	$node->safe_psql('postgres', "BEGIN; LOCK TABLE mlpipe.batch_claim IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'late'")
	  if $mode eq 'immediate';
	$node->stop($mode);
	mkfifo($pipe, 0600) or die "could not create $pipe: $!" if $launcher_hangs;
	$node->start;
	return $run;
}

# Waits for a launcher that reads the pipe.
sub let_launcher_go_on
{
	system_or_bail('timeout', $PostgreSQL::Test::Utils::timeout_default, 'sh', '-c', "echo 0 >$pipe");
	unlink $pipe;
}

foreach my $size ('100 rows', '8 kB')
{
	my $run = restart_in_a_step('immediate', $size);

	ok(wait_until($node, $launcher_holds), "mini-batches of $size: the launcher holds what the step needs after a crash");
	$node->safe_psql('postgres', 'VACUUM part');
	ok(wait_until($node, $launcher_holds), 'as long as the step has not been found');
	$node->safe_psql('postgres', "COMMIT PREPARED 'late'");
	ok(wait_until($node, "$keeper_holds AND NOT $launcher_holds"), 'then the keeper does');
	$node->safe_psql('postgres', 'VACUUM part; INSERT INTO gate VALUES (true)');
	is(wait_run($node, $run), 'succeeded', 'the step ends');
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), sum(v) FROM scored'), '2000|2000|0', 'with each row once, as it was');
}

# A session that connects early may find out what nobody needs before the launcher
# holds it, as it reads about its role, whose old versions are no longer needed.
my $run = restart_in_a_step('immediate', '8 kB', 1);
my $session = $node->background_psql('postgres');
{
	local $ENV{PGOPTIONS} = '-c statement_timeout=1s';

	$node->psql('postgres', 'VACUUM part', stderr => \my $error);
	like($error, qr/canceling statement due to statement timeout/, 'no statement begins before the launcher holds what steps need');
}
let_launcher_go_on();
ok(wait_until($node, $launcher_holds), 'then it does');
$session->query_safe('SELECT count(*) FROM part');
$session->quit;
$node->safe_psql('postgres', 'VACUUM part');
$node->safe_psql('postgres', "COMMIT PREPARED 'late'; INSERT INTO gate VALUES (true)");
is(wait_run($node, $run), 'succeeded', 'the step ends');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), sum(v) FROM scored'), '2000|2000|0', 'with each row once, as it was');

$run = restart_in_a_step('fast', '100 rows');
$node->safe_psql('postgres', 'INSERT INTO gate VALUES (true)');
is(wait_run($node, $run), 'succeeded', 'a step ends that a shutdown has interrupted');
ok(wait_until($node, "NOT $launcher_holds"), 'and nothing is held for it');

# What is not to be had any more, or makes no sense, is held by nobody.
$node->stop;
append_to_file("$directory/$_->[0]", "$_->[1]\n") foreach [ '1', 'rubbish' ], [ '4294967294', '800' ], [ 'x', '3' ], [ '4294967293', '99999999999' ];
$node->start;
ok(wait_until($node, "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler') AND NOT $launcher_holds"), 'the server starts with files that are wrong');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]))), 'succeeded', 'and works');
ok(!-e "$directory/4294967294", 'that of a database which is not there is removed');

# A launcher that does not come up.
my $log = -s $node->logfile;
$node->stop;
mkfifo($pipe, 0600) or die "could not create $pipe: $!";
$node->start;
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'statements begin at last, although the launcher hangs');
ok(log_has($node, qr/statements wait no longer for the mlpipe launcher/, $log), 'and the log says so');
let_launcher_go_on();
$node->stop;
done_testing();
