
# Copyright (c) 2026, the mlpipe authors

# What CALL mlpipe_watch() tells while somebody else acts on the run.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('watch');
my $run = submit($node, '{"activities": [
	{"name": "release", "type": "approval", "message": "Release it?"},
	{"name": "again", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "interval": "0.1 s"}, "depends_on": ["release"]}]}');
my $told = '';
my $watch = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL mlpipe_watch($run)" ], '2>', \$told);

# Each is told before the next is done.
ok(tells(qr/release +started\n.*release +waits for mlpipe_approve\(\)  Release it\?/), 'that an approval waits, and what it asks');
$node->safe_psql('postgres', "SELECT mlpipe_suspend($run)");
ok(tells(qr/run $run +suspended, until mlpipe_resume\(\)/), 'that the run is suspended');
$node->safe_psql('postgres', "SELECT mlpipe_resume($run)");
ok(tells(qr/run $run +resumed/), 'that it goes on');
$node->safe_psql('postgres', "SELECT mlpipe_approve($run, 'release')");
ok(tells(qr/run $run +failed/), 'that it has ended');
$watch->finish;
like($told, qr/again +failed +\d+\.\d\d s  division by zero/, 'why an activity has failed');
is(scalar(() = $told =~ /waits for mlpipe_approve/g), 1, 'an approval is told once');

# Nobody but a look at the right moment sees an attempt that is tried again: one that waits long.
$run = submit($node, '{"activities": [{"name": "again", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "interval": "1 hour"}}]}');
$told = '';
$watch = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL mlpipe_watch($run)" ], '2>', \$told);
ok(tells(qr/again +failed +attempt 1, to be tried again at [0-9:]+  division by zero/), 'why an attempt has failed');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($run)");
ok(tells(qr/run $run +cancelled/), 'and that it was the last');
$watch->finish;

$node->stop;
done_testing();

sub tells
{
	my ($what) = @_;
	my $deadline = time + 60;

	while (time < $deadline)
	{
		return 1 if $told =~ /$what/s;
		last if !$watch->pumpable;
		$watch->pump_nb;
		select(undef, undef, undef, 0.01);
	}
	diag("told: $told");
	return $told =~ /$what/s;
}
