
# Copyright (c) 2026, the mlpipe authors

# The library and the extension in a database are of different versions, before
# and after ALTER EXTENSION UPDATE.

use strict;
use warnings;
use Cwd;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Find;
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

# An installation of its own, of links: a server finds its files from where its
# program lies, so the programs are copied.
my $root = PostgreSQL::Test::Utils::tempdir;
my %directory = map { chomp(my $path = `pg_config --$_`); $_ => $path } 'bindir', 'pkglibdir', 'sharedir';
install($_) foreach values %directory;
my $library_version = slurp_file("$root$directory{sharedir}/extension/mlpipe.control") =~ /default_version *= *'(.*)'/ ? $1 : die;

sub install
{
	my $from = shift;

	find({ no_chdir => 1, wanted => sub {
		my $to = "$root$File::Find::name";

		if (-d) { make_path($to) }
		elsif ($from eq $directory{bindir}) { copy($_, $to) && chmod(0755, $to) if m{/(postgres|initdb|pg_ctl|psql|pg_controldata|pg_config)$} }
		else { symlink(-l $_ ? Cwd::realpath($_) : $_, $to) unless -e $to }
	} }, $from);
}

# A script that brings the extension from one version to another.
sub add_update
{
	my ($from, $to, $sql) = @_;
	append_to_file("$root$directory{sharedir}/extension/mlpipe--$from--$to.sql", $sql);
}

my $node = PostgreSQL::Test::Cluster->new('versions', install_path => "$root" . dirname($directory{bindir}));
$node->init;
$node->append_conf('postgresql.conf', $_) foreach "shared_preload_libraries = 'mlpipe'", 'max_worker_processes = 16', 'mlpipe.max_executors = 3';
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mlpipe');
is($node->safe_psql('postgres', 'SHOW data_directory') ne '', 1, 'a server runs from an installation of links');

# Updated with workers alive: they make way, and work waits for the library.
my $sleeper = pipeline([ 'a', "SELECT pg_sleep(CASE WHEN attempt = 1 THEN 300 ELSE 0 END) FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = 'a'" ], [ 'b', 'SELECT 1', 'a' ]);
my $run = submit($node, $sleeper);
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run)"), 'a run is in progress');
add_update($library_version, 'newer', 'ALTER TABLE mlpipe.run ADD COLUMN of_newer integer;');
add_update('newer', $library_version, 'ALTER TABLE mlpipe.run DROP COLUMN of_newer;');
my $offset = -s $node->logfile;
$node->safe_psql('postgres', "SET statement_timeout = '20s'; ALTER EXTENSION mlpipe UPDATE TO 'newer'");
pass('the extension is updated while a run goes on');

my ($status, $stdout, $stderr) = $node->psql('postgres', q(SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb)));
like($stderr, qr/extension "mlpipe" is of version newer in this database, but its library of version \Q$library_version\E/, 'an older library leaves it alone');
like($stderr, qr/HINT: .*Restart the server.*ALTER EXTENSION mlpipe UPDATE/, 'and says what to do');
($status, $stdout, $stderr) = $node->psql('postgres', "SELECT mlpipe_cancel($run)");
like($stderr, qr/is of version newer/, 'also for other functions');
is($node->safe_psql('postgres', 'SELECT severity FROM mlpipe_health WHERE problem LIKE $$%version newer%$$'), 'error', 'so does mlpipe_health');
is($node->safe_psql('postgres', "SELECT status FROM mlpipe_runs WHERE run_id = $run"), 'in_progress', 'views work');
$node->wait_for_log(qr/is of version newer/, $offset);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('mlpipe scheduler', 'mlpipe executor')"), '0', 'no worker goes near it');

# Nor does the log fill with it.
$offset = -s $node->logfile;
$node->restart;
$node->wait_for_log(qr/is of version newer/, $offset);
$node->safe_psql('postgres', 'SELECT pg_sleep(3)');
my @lines = slurp_file($node->logfile, $offset) =~ /is of version newer/g;
is(scalar(@lines), 1, 'after a restart the log says it once');

# One session goes on over the update.
is($node->safe_psql('postgres', qq{
	ALTER EXTENSION mlpipe UPDATE TO '$library_version';
	SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb) AS run \\gset
	SELECT mlpipe_wait(:run, '20 s');}), 'succeeded', 'updated to what the library wants it works at once');
is(wait_run($node, $run), 'succeeded', 'what was in progress is tried again');
is(ends($node, $run), 'a succeeded 2, b succeeded 1', 'and ends');
is($node->safe_psql('postgres', "SELECT DISTINCT sqlstate FROM mlpipe_errors WHERE run_id = $run"), '57000', 'what was cut short has made way');

# An update that is rolled back
$run = submit($node, pipeline([ 'a', 'SELECT pg_sleep(CASE WHEN attempt = 1 THEN 300 ELSE 0 END) FROM mlpipe_activities WHERE run_id = mlpipe_run_id()' ]));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run)"), 'a run is in progress');
$node->safe_psql('postgres', "BEGIN; ALTER EXTENSION mlpipe UPDATE TO 'newer'; ROLLBACK");
is(wait_run($node, $run), 'succeeded', 'it goes on when an update is rolled back');
ok(all_executors_work($node), 'with all executors');
$node->stop;

done_testing();
