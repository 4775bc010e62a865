
# Copyright (c) 2026, the mlpipe authors

# Parallel steps made by chance, against what has to follow from the published
# rules, which is worked out here: their mini-batches, attempts and failures, the
# verdict and the summary, the rows in the target, the calls of init and shutdown.
# Then what made mini-batches fail is mended, and reruns do what is left, and only
# that.  MLPIPE_SEED makes others.

use strict;
use warnings;
use JSON::PP;
use List::Util qw(any max sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $CASES = 300;
my $ALWAYS = 99;
my $ROWS_A_PAGE = 5;    # of 1500 bytes
my %KEYS = (
	integer => [ '1', '2', '-7', 'NULL' ],
	bigint => [ '9007199254740993', '9007199254740992', 'NULL' ],
	numeric => [ '1.5', '-0.25', '1000000000000', 'NULL' ],
	float8 => [ '1.5', '-3', 'NULL' ],
	text => [ q('a'), q('ü x'), q(''), q('it''s "q"'), 'NULL' ],
	'char(4)' => [ q('a'), q('bb'), 'NULL' ],
	boolean => [ 'true', 'false', 'NULL' ],
	date => [ q('2026-01-01'), q('2025-12-31'), 'NULL' ],
	timestamptz => [ q('2026-01-01 00:00+00'), q('2026-01-01 01:00+00'), 'NULL' ],
	uuid => [ q('00000000-0000-0000-0000-000000000001'), q('00000000-0000-0000-0000-000000000002'), 'NULL' ],
	bytea => [ q('\x00'), q('\x01ff'), 'NULL' ],
	inet => [ q('10.0.0.1'), q('10.0.0.0/8'), 'NULL' ],
	'integer[]' => [ q('{1,2}'), q('{}'), q('{NULL}'), 'NULL' ],
	jsonb => [ q('{"a": 1}'), q('[1]'), 'NULL' ]);
my $json = JSON::PP->new->canonical->allow_nonref;
my $seed = $ENV{MLPIPE_SEED} // 4711;
my $files = PostgreSQL::Test::Utils::tempdir;

srand($seed);
my @cases = map { a_case($_) } 1 .. $CASES;
my $node = new_node('parallel_oracle', 'mlpipe.max_executors' => 6);
my $note = "seed $seed";

$node->safe_psql('postgres', join(";\n",
	q(CREATE TABLE behaviour (no integer, key jsonb, fails integer, keep integer, extra integer, reported integer, counter text)),
	q(CREATE TABLE inits (no integer, pid integer)),
	q(CREATE FUNCTION behave(no integer, key jsonb, with_init boolean, OUT keep integer, OUT extra integer) LANGUAGE plpgsql AS $$
	DECLARE
		this behaviour;
	BEGIN
		PERFORM nextval('attempts_' || no);
		RAISE DEBUG 'debug';
		RAISE NOTICE 'notice';
		RAISE WARNING 'warning';
		IF with_init AND current_setting('test.init', true) IS DISTINCT FROM no::text THEN
			RAISE 'init was not run in this process';
		END IF;
		SELECT * INTO this FROM behaviour b WHERE b.no = behave.no AND b.key = behave.key;
		keep := coalesce(this.keep, 1000000);
		extra := coalesce(this.extra, 0);
		PERFORM mlpipe_item_failed(i::text, 'reported') FROM generate_series(1, this.reported) i;
		IF this.fails > 0 AND (this.counter IS NULL OR nextval(this.counter) <= this.fails) THEN
			RAISE 'as it should';
		END IF;
	END $$),
	q(CREATE FUNCTION init(no integer, fails integer) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF nextval('inits_' || no) <= fails THEN
			RAISE 'init fails';
		END IF;
		INSERT INTO inits VALUES (no, pg_backend_pid());
		PERFORM set_config('test.init', no::text, false);
	END $$),
	q(CREATE FUNCTION shutdown(no integer, fails boolean) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nextval('shutdowns_' || no);
		IF fails THEN
			RAISE 'shutdown fails';
		END IF;
	END $$),
	q(CREATE FUNCTION written(no integer) RETURNS json LANGUAGE plpgsql AS $$
	DECLARE
		found json := '[]';
	BEGIN
		IF to_regclass('out_' || no) IS NOT NULL THEN
			EXECUTE format('SELECT coalesce(json_agg(json_build_array(i, b)), $j$[]$j$) FROM out_%s', no) INTO found;
		END IF;
		RETURN found;
	END $$),
	'BEGIN', (map { @{ $_->{setup} } } @cases), 'COMMIT'));

check('as they are', \&first_run, [ 0 .. $#cases ], map { 'mlpipe_submit(' . quoted($json->encode({ activities => [ $_->{step} ] })) . '::jsonb)' } @cases);

my @left = grep { $cases[$_]{fails} || $cases[$_]{failed} > 0 } 0 .. $#cases;
my $numbers = join ',', map { $cases[$_]{no} } @left;
$node->safe_psql('postgres', "DELETE FROM behaviour WHERE no IN ($numbers); SELECT setval('attempts_' || no, 1, false), setval('inits_' || no, 1000) FROM unnest('{$numbers}'::integer[]) no");
check('mended and rerun', \&rerun, \@left, map { "mlpipe_rerun($cases[$_]{run})" } @left);
ok(all_executors_work($node), 'no executor is lost');

$node->stop;
done_testing();

sub one_of { return $_[ int rand @_ ] }

sub chance { return rand() < $_[0] }

sub between { return $_[0] + int rand($_[1] - $_[0] + 1) }

sub quoted
{
	my $text = shift;

	$text =~ s/'/''/g;
	return "'$text'";
}

# A step, what it needs, and what has to follow.
sub a_case
{
	my $no = shift;
	my $case = one_of(\&by_rows, \&by_rows, \&by_rows, \&by_bytes, \&by_files, \&by_keys, \&by_keys, \&by_keys)->($no);
	my $step = $case->{step};

	@$case{ 'no', 'retries' } = ($no, 2);
	@$step{ 'name', 'type' } = ('p', 'parallel');
	$step->{retry_settings} = { max_retries => $case->{retries} = between(0, 3), timeout => 600 } if chance(0.7);
	misbehave($case);
	limit($case);
	add_workers($case);
	add_logging($case);
	add_run($case);
	return $case;
}

# Of a table and what is like one.  Which rows are where is known of the first two.
sub by_rows
{
	my $no = shift;
	my $kind = one_of('table', 'query', 'view', 'materialized view', 'partitioned table');
	my $count = chance(0.07) ? 0 : between(1, chance(0.2) ? 300 : 80);
	my $size = between(1, $count > 100 ? 60 : 25);
	my $deleted = chance(0.3) ? between(0, $count) : 0;
	my $case = { step => { input => { table => "in_$no" }, mini_batch_size => "$size rows" }, kind => $kind };

	$case->{setup} = [
		"CREATE TABLE in_$no (id integer, filler text)" . ($kind =~ /partitioned/ ? ' PARTITION BY RANGE (id)' : ''),
		$kind =~ /partitioned/ ? ("CREATE TABLE in_${no}_1 PARTITION OF in_$no FOR VALUES FROM (1) TO (30)", "CREATE TABLE in_${no}_2 PARTITION OF in_$no DEFAULT") : (),
		"INSERT INTO in_$no SELECT i FROM generate_series(1, $count) i", "DELETE FROM in_$no WHERE id <= $deleted",
		$kind =~ /view/ ? "CREATE $kind v_$no AS SELECT * FROM in_$no" : () ];
	$case->{step}{input} = { query => "SELECT * FROM in_$no ORDER BY id" } if $kind eq 'query';
	$case->{step}{input} = { table => "v_$no" } if $kind =~ /view/;
	return by_number($case, $size, $deleted + 1 .. $count);
}

sub by_bytes
{
	my $no = shift;
	my $pages = between(1, 6);
	my $count = between(0, 200);

	return by_number({ kind => 'bytes', step => { input => { table => "in_$no" }, mini_batch_size => 8 * $pages . ' kB' },
			setup => [
				"CREATE TABLE in_$no (id integer, filler text)", "ALTER TABLE in_$no ALTER filler SET STORAGE PLAIN",
				"INSERT INTO in_$no SELECT i, repeat('x', 1500) FROM generate_series(1, $count) i" ] }, $ROWS_A_PAGE * $pages, 1 .. $count);
}

sub by_files
{
	my $no = shift;
	my $count = between(0, 14);
	my $size = one_of(1 .. 5, 10);

	mkdir "$files/$no";
	append_to_file(sprintf('%s/%d/f%03d.csv', $files, $no, $_), 'x') foreach 1 .. $count;
	append_to_file("$files/$no/other.csv", 'x');
	return by_number({ kind => 'files', step => { input => { files => "$files/$no/f*.csv" }, $size == 10 ? () : (mini_batch_size => "$size files") } },
		$size, 1 .. $count);
}

sub by_number
{
	my ($case, $size, @ids) = @_;
	my $count = @ids;
	my @batches;

	push @batches, { number => @batches + 1, key => 'to_jsonb(' . (@batches + 1) . ')', ids => [ splice @ids, 0, $size ] } while @ids;
	@$case{ 'batches', 'items', 'key' } = (\@batches, $count, q(mlpipe_batch()->'number'));
	$case->{compare} = 1;
	$case->{compare} = ($case->{step}{count} = one_of('items', 'none')) eq 'items' if chance(0.3);
	return $case;
}

sub by_keys
{
	my $no = shift;
	my @types = map { one_of(sort keys %KEYS) } 1 .. between(1, 3);
	my @names = ('a', 'B c', 'd')[ 0 .. $#types ];
	my $case = { kind => one_of('keys', 'keys', 'keys of a query', 'columns'), batches => [], items => 0,
		key => 'jsonb_build_array(' . join(', ', map { "mlpipe_batch()->'$_'" } @names) . ')',
		step => { input => { table => "in_$no" }, partition_keys => \@names },
		setup => [ "CREATE TABLE in_$no (id integer, " . join(', ', map { qq("$names[$_]" $types[$_]) } 0 .. $#types) . ')' ] };
	my %seen;

	for (1 .. between(0, 15))
	{
		my @values = map { one_of(@{ $KEYS{$_} }) . "::$_" } @types;
		my $first = $case->{items} + 1;
		my $last = $case->{items} + (chance(0.3) ? between(20, 60) : between(1, 8));

		next if $seen{"@values"}++;
		push @{ $case->{setup} }, "INSERT INTO in_$no SELECT i, " . join(', ', @values) . " FROM generate_series($first, $last) i";
		push @{ $case->{batches} }, { key => 'jsonb_build_array(' . join(', ', map { "to_jsonb($_)" } @values) . ')', ids => [ $first .. $last ] };
		$case->{items} = $last;
	}
	$case->{step}{input} = { query => "SELECT * FROM in_$no ORDER BY md5(id::text)" } if $case->{kind} eq 'keys of a query';
	$case->{step}{columns} = ['id'] if $case->{kind} eq 'columns';
	$case->{compare} = ($case->{step}{count} = one_of('items', 'none')) eq 'items' if chance(0.4) && $case->{kind} ne 'columns';
	return $case;
}

# What mini-batches do that is not as it should be.
sub misbehave
{
	my $case = shift;
	my $often = one_of(0, 0.1, 0.3, 0.6);

	for my $batch (@{ $case->{batches} })
	{
		my $items = @{ $batch->{ids} };
		my $how = chance($often) ? one_of('always', 'at first', 'gap', 'surplus', 'reported', 'reported gap', 'reported always') : '';

		@$batch{ 'items', 'fails', 'keep', 'extra', 'reported' } = ($items, 0, $items, 0, 0);
		$batch->{fails} = $ALWAYS if $how =~ /always/;
		$batch->{fails} = between(1, 4) if $how eq 'at first';
		$batch->{extra} = between(1, 3) if $how eq 'surplus';
		$batch->{reported} = between(1, $items) if $how =~ /reported/;
		$batch->{keep} -= between(1, $items) if $how eq 'gap';
		$batch->{keep} -= between(0, $batch->{reported}) + (chance(0.3) ? between(0, $items - $batch->{reported}) : 0) if $how eq 'reported gap';
		$batch->{keep} = max($batch->{keep}, 0);
		@$batch{ 'keep', 'extra' } = (1, 0) if $case->{kind} eq 'columns';
	}
}

# At each limit, below and above it.
sub limit
{
	my $case = shift;
	my ($step, @batches) = ($case->{step}, @{ $case->{batches} });
	my $strict = chance(0.4);
	my ($failed, $missing);

	foreach (@batches)
	{
		my $returned = $_->{keep} > 0 ? $_->{keep} + $_->{extra} : 0;
		my $raises = $_->{fails} > $case->{retries};

		$_->{fails} = $case->{retries} + 1 if $strict && $case->{compare} && $_->{items} - $_->{reported} > $returned;
		$_->{fails} = $case->{retries} + 1 if $raises;
		$_->{failed} = $_->{fails} > $case->{retries} ? 1 : 0;
		$_->{missing} = max($_->{reported}, $case->{compare} ? $_->{items} - ($raises ? 0 : $returned) : 0);
		$_->{returned} = $_->{failed} ? 0 : $returned;
		$_->{raises} = $raises;
	}
	$case->{failed} = $failed = sum0(map { $_->{failed} } @batches);
	$case->{missing} = $missing = sum0(map { $_->{missing} } @batches);
	$case->{attempts} = sum0(map { $_->{fails} + 1 - $_->{failed} } @batches);
	$case->{returned} = sum0(map { $_->{returned} } @batches);
	$step->{error_threshold} = max($missing + between(-1, 1), 0) if $strict;
	$step->{mini_batch_error_threshold} = max($failed + between(-1, 1), -1) if chance(0.4);
	$step->{allowed_failed_percent} = max(0, int($failed * 100 / max(@batches, 1)) + between(-1, 1)) if chance(0.3);
	$case->{fails} = exceeded($case, $failed, $missing);
}

sub exceeded
{
	my ($case, $failed, $missing) = @_;
	my ($step, $batches) = ($case->{step}, scalar @{ $case->{batches} });
	my ($most_failed, $most_missing) = ($step->{mini_batch_error_threshold} // -1, $step->{error_threshold} // -1);

	return ($most_failed >= 0 && $failed > $most_failed) || ($most_missing >= 0 && $missing > $most_missing) ||
	  $failed * 100 > ($step->{allowed_failed_percent} // 100) * $batches;
}

sub add_workers
{
	my $case = shift;
	my ($no, $step) = @$case{ 'no', 'step' };

	$step->{instance_count} = between(1, 2) if chance(0.4);
	$step->{max_concurrency_per_instance} = between(1, 3) if chance(0.6);
	if (chance(0.6))
	{
		$case->{init_fails} = chance(0.12) ? one_of($case->{retries}, $ALWAYS) : 0;
		$case->{dead} = $case->{init_fails} == $ALWAYS && @{ $case->{batches} } > 0;
		$step->{init} = "SELECT init($no, $case->{init_fails})";
	}
	$step->{shutdown} = "SELECT shutdown($no, " . one_of('true', 'false', 'false', 'false') . ')' if chance(0.5);
	$case->{fails} = 1 if $case->{dead};
}

sub add_logging
{
	my $step = shift->{step};

	$step->{logging_level} = one_of('DEBUG', 'INFO', 'WARNING') if chance(0.3);
	$step->{copy_logs_to_parent} = JSON::PP::true if chance(0.3);
	$step->{resource_monitor_interval} = 0 if chance(0.5);
}

sub add_run
{
	my $case = shift;
	my ($no, $kind, $step) = @$case{ 'no', 'kind', 'step' };
	my $target = $case->{target} = one_of('new', 'new', 'existing', 'written', 'none');
	my $rows = $kind eq 'files' ? q(SELECT substring(path from '(\d+).csv$')::integer AS id FROM mini_batch) : 'SELECT id FROM mini_batch';
	my $all = "SELECT m.id AS i, (mlpipe_batch()->>'number')::integer AS b FROM b, (SELECT id, row_number() OVER () AS place FROM ($rows) r) m,"
	  . ' generate_series(1, CASE place WHEN 1 THEN 1 + b.extra ELSE 1 END) WHERE place <= b.keep';

	$all = "SELECT min(u)::integer AS i, count(*)::integer AS b FROM b, mlpipe_unpack(mlpipe_column('id')) u" if $kind eq 'columns';
	$step->{run} = "WITH b AS MATERIALIZED (SELECT * FROM behave($no, $case->{key}, " . ($step->{init} ? 'true' : 'false') . ')) '
	  . ($target eq 'written' ? "INSERT INTO out_$no $all RETURNING i" : $all);
	$step->{append_row_to} = "out_$no" if $target =~ /new|existing/;
	push @{ $case->{setup} }, map { "CREATE SEQUENCE ${_}_$no" } 'attempts', 'inits', 'shutdowns';
	push @{ $case->{setup} }, "CREATE TABLE out_$no (i bigint, b integer)" if $target =~ /existing|written/;
	for my $batch (grep { $_->{fails} || $_->{extra} || $_->{reported} || $_->{keep} < $_->{items} } @{ $case->{batches} })
	{
		# What returns too few rows fails by itself.
		my $fails = $batch->{failed} && !$batch->{raises} ? 0 : $batch->{fails};
		my $counter = $fails && !$batch->{failed} ? "failures_${no}_$batch->{ids}[0]" : undef;

		push @{ $case->{setup} }, "CREATE SEQUENCE $counter" if $counter;
		push @{ $case->{setup} },
		  "INSERT INTO behaviour VALUES ($no, $batch->{key}, $fails, $batch->{keep}, $batch->{extra}, $batch->{reported}, " . ($counter ? "'$counter'" : 'NULL') . ')';
	}
}

# All at once; then each is compared, and what differs is told.
sub check
{
	my ($what, $compare, $places, @calls) = @_;
	my @runs = split ' ', $node->safe_psql('postgres', join(";\n", 'SET client_min_messages = error', 'BEGIN', map({ "SELECT $_" } @calls), 'COMMIT'));
	my $list = join ',', @runs;
	my (@wrong, $found, $counts);

	ok(wait_until($node, "NOT EXISTS (SELECT FROM mlpipe_runs WHERE run_id IN ($list) AND finished_at IS NULL)"), "$what: all end");
	$found = found($list);
	$counts = counts(@cases[@$places]);
	for my $i (0 .. $#runs)
	{
		my $case = $cases[ $places->[$i] ];
		my %should = $compare->($case, { %{ $found->{ $runs[$i] } }, %{ $counts->{ $case->{no} } } });

		$case->{run} = $runs[$i];
		push @wrong, map { "$case->{kind}, $_: $should{$_}[0] instead of $should{$_}[1] in " . $json->encode($case->{step}) }
		  grep { ($should{$_}[0] // 'none') ne ($should{$_}[1] // 'none') } sort keys %should;
	}
	is(join("\n", @wrong[ 0 .. ($#wrong > 9 ? 9 : $#wrong) ]), '', "$what: each step comes to what it should ($note)");
}

# What the views say, by run.
sub found
{
	my $list = shift;

	return $json->decode($node->safe_psql('postgres', <<"SQL"));
SELECT json_object_agg(r.run_id, json_build_object('status', r.status, 'error', a.error, 'output', a.output,
	'total', a.batches_total, 'done', a.batches_done, 'failed', a.batches_failed, 'items_in', a.items_in, 'items_out', a.items_out,
	'batches', (SELECT coalesce(json_agg(json_build_object('batch', batch, 'attempt', attempt, 'status', status, 'in', items_in, 'out', items_out)
		ORDER BY batch, attempt), '[]') FROM mlpipe_batches b WHERE b.run_id = r.run_id),
	'errors', (SELECT coalesce(json_agg(json_build_object('batch', batch, 'attempt', attempt, 'reported', message = 'reported')), '[]')
		FROM mlpipe_errors e WHERE e.run_id = r.run_id AND batch IS NOT NULL),
	'logs', (SELECT coalesce(json_object_agg(level, n), '{}') FROM (SELECT level, count(*) AS n FROM mlpipe_logs l
		WHERE l.run_id = r.run_id AND message = level GROUP BY level) l),
	'copied', (SELECT count(*) FROM mlpipe_logs l WHERE l.run_id = r.run_id AND activity IS NULL)))
FROM mlpipe_runs r JOIN mlpipe_activities a USING (run_id) WHERE run_id IN ($list)
SQL
}

# What the calls have counted and written, by number.
sub counts
{
	my @those = @_;
	my $counters = join ' UNION ALL ', map {
		my $no = $_->{no};
		"SELECT $no AS no, " . join(', ', map { "(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ${_}_$no) AS $_" } 'attempts', 'inits', 'shutdowns')
	} @those;

	return $json->decode($node->safe_psql('postgres', <<"SQL"));
SELECT json_object_agg(c.no, json_build_object('attempts', attempts, 'inits', inits, 'shutdowns', shutdowns, 'rows', written(c.no),
	'prepared', (SELECT count(*) FROM inits i WHERE i.no = c.no), 'processes', (SELECT count(DISTINCT pid) FROM inits i WHERE i.no = c.no)))
FROM ($counters) c
SQL
}

# Each of these returns pairs of what is and what should be.
sub first_run
{
	my ($case, $is) = @_;
	my ($step, $total) = ($case->{step}, scalar @{ $case->{batches} });
	my %last = map { $_->{batch} => $_ } @{ $is->{batches} };
	my %states = (succeeded => 0, failed => 0, cancelled => 0);

	$states{ $_->{status} }++ foreach values %last;
	remember($case, $is, \%last);
	return (
		'status' => [ $is->{status}, $case->{fails} ? 'failed' : 'succeeded' ],
		'verdict' => [ $is->{output}{verdict}, $is->{status} ],
		'mini-batches' => [ $is->{total}, $total ],
		'final rows' => [ sum0(values %states), $total ],
		'those that succeeded' => [ "$is->{done} $is->{output}{succeeded}", "$states{succeeded} $states{succeeded}" ],
		'those that failed' => [ "$is->{failed} $is->{output}{failed}", "$states{failed} $states{failed}" ],
		'lines in the log of the run' => [ $is->{copied}, $step->{copy_logs_to_parent} ? 1 : 0 ],
		'processes that ran init' => [ $is->{processes}, $is->{prepared} ],
		$step->{shutdown} ? ('calls of shutdown' => $step->{init} ? [ $is->{shutdowns}, $is->{prepared} ] : [ $is->{shutdowns} > 0, $total > 0 ]) : (),
		$case->{fails} ? failed_run($case, $is, \%last) : (succeeded_run($case, $is), each_batch($case, $is, \%last)));
}

# Which mini-batches were at work when it failed is a matter of chance, where more
# than one was.
sub failed_run
{
	my ($case, $is, $last) = @_;
	my $output = $is->{output};
	my $alone = ($case->{step}{instance_count} // 1) * ($case->{step}{max_concurrency_per_instance} // 2) == 1 && !defined $case->{step}{error_threshold};
	my $done = sum0(map { $_->{out} } grep { $_->{status} eq 'succeeded' } values %$last);

	return (
		'rows of a failed step' => [ "$output->{items_done} $is->{items_out}", "$done $done" ],
		$case->{target} eq 'none' ? () : ('rows in its target' => [ scalar @{ $is->{rows} }, $done ]),
		$case->{dead} ? ('error of init' => [ $is->{error}, 'init fails' ], 'attempts without init' => [ $is->{attempts}, 0 ]) :
		  ('a limit is exceeded' => [ exceeded($case, $output->{failed}, $output->{items_failed}), 1 ],
			$alone ? ('as soon as it is' => [ exceeded($case, $output->{failed} - 1, 0) ? 1 : 0, 0 ]) : ()));
}

sub succeeded_run
{
	my ($case, $is) = @_;
	my ($output, $attempts) = ($is->{output}, $case->{attempts});
	my $level = $case->{step}{logging_level} // 'INFO';

	return (
		'error' => [ $is->{error}, undef ],
		'failed mini-batches' => [ $output->{failed}, $case->{failed} ],
		'attempts' => [ $is->{attempts}, $attempts ],
		'rows of mlpipe_batches' => [ scalar @{ $is->{batches} }, $attempts ],
		'retries' => [ $output->{retried}, $attempts - @{ $case->{batches} } ],
		'errors' => [ scalar(grep { !$_->{reported} } @{ $is->{errors} }), $attempts - @{ $case->{batches} } + $case->{failed} ],
		'items' => [ "$output->{items} $is->{items_in}", "$case->{items} $case->{items}" ],
		'items done' => [ "$output->{items_done} $is->{items_out}", "$case->{returned} $case->{returned}" ],
		'items failed' => [ $output->{items_failed}, $case->{missing} ],
		'attempts at init' => [ $is->{inits} - $is->{prepared}, @{ $case->{batches} } ? $case->{init_fails} // 0 : 0 ],
		'debug lines' => [ $is->{logs}{debug} // 0, $level eq 'DEBUG' ? $attempts : 0 ],
		'notices' => [ $is->{logs}{notice} // 0, $level eq 'WARNING' ? 0 : $attempts ],
		'warnings' => [ $is->{logs}{warning} // 0, $attempts ]);
}

sub each_batch
{
	my ($case, $is, $last) = @_;
	my @batches = @{ $case->{batches} };
	my @ours = map { rows_of($case, $is, $_) } @batches;
	my @found = map { $last->{ $batches[$_]{number} // (@{ $ours[$_] } ? $ours[$_][0][1] : 0) } } 0 .. $#batches;
	my @known = grep { $found[$_] } 0 .. $#batches;
	my %pairs;

	if ($case->{target} ne 'none')
	{
		$pairs{'rows of each mini-batch'} = [ "@{[map { scalar @$_ } @ours]}", "@{[map { $_->{returned} } @batches]}" ];
		$pairs{'rows in the target'} = [ scalar @{ $is->{rows} }, $case->{returned} ];
		$pairs{'different rows of each'} = [ "@{[map { my %ids = map { $_->[0] => 1 } @$_; scalar keys %ids } @ours]}", "@{[map { $_->{failed} ? 0 : $_->{keep} } @batches]}" ]
	}
	if ($case->{target} ne 'none' && $case->{kind} =~ /^(table|bytes|query)$/)
	{
		$pairs{'rows of another'} = [ scalar(grep { my $batch = $batches[$_]; any { $_->[0] < $batch->{ids}[0] || $_->[0] > $batch->{ids}[-1] } @{ $ours[$_] } } 0 .. $#batches), 0 ];
	}
	return %pairs if $case->{kind} eq 'columns';
	$pairs{'status of each'} = [ "@{[map { $found[$_]{status} } @known]}", "@{[map { $batches[$_]{failed} ? 'failed' : 'succeeded' } @known]}" ];
	$pairs{'attempts at each'} = [ "@{[map { $found[$_]{attempt} } @known]}", "@{[map { $batches[$_]{fails} + 1 - $batches[$_]{failed} } @known]}" ];
	$pairs{'items of each'} = [ "@{[map { $found[$_]{in} } @known]}", "@{[map { $batches[$_]{items} } @known]}" ];
	return %pairs;
}

sub rows_of
{
	my ($case, $is, $batch) = @_;
	my %ids = map { $_ => 1 } @{ $batch->{ids} };

	return [ grep { $batch->{number} ? $_->[1] == $batch->{number} : $ids{ $_->[0] } } @{ $is->{rows} } ];
}

# What a rerun takes over.
sub remember
{
	my ($case, $is, $last) = @_;
	my @done = grep { $_->{status} eq 'succeeded' } values %$last;
	my %reported;

	$reported{"$_->{batch} $_->{attempt}"}++ foreach grep { $_->{reported} } @{ $is->{errors} };
	$case->{left} = @{ $case->{batches} } - @done;
	$case->{missing_kept} = sum0(map { max($case->{compare} ? $_->{in} - $_->{out} : 0, $reported{"$_->{batch} $_->{attempt}"} // 0) } @done);
	$case->{rows_kept} = [ map { scalar @{ rows_of($case, $is, $_) } } @{ $case->{batches} } ];
	$_->{done} = $_->{number} ? $last->{ $_->{number} }{status} eq 'succeeded' : undef foreach @{ $case->{batches} };
}

# Items that mini-batches reported, or did not return, and yet succeeded, count
# again.  One that succeeded without a row cannot be told by the target alone.
sub rerun
{
	my ($case, $is) = @_;
	my $kept = $case->{rows_kept};
	my @all = @{ $case->{batches} };
	my @known = grep { $all[$_]{number} || $all[$_]{keep} } 0 .. $#all;

	return ('status' => [ $is->{status}, 'failed' ]) if exceeded($case, 0, $case->{missing_kept});
	return (
		'status' => [ $is->{status}, 'succeeded' ],
		'attempts' => [ $is->{attempts}, $case->{left} ],
		'mini-batches' => [ join(' ', map { $_ // 'none' } @{ $is->{output} }{ 'batches', 'succeeded', 'failed', 'items', 'items_failed' }), join(' ', scalar @all, scalar @all, 0, $case->{items}, $case->{missing_kept}) ],
		$case->{target} eq 'none' ? () : ('rows of each' => [ "@{[map { scalar @{ rows_of($case, $is, $all[$_]) } } @known]}",
			"@{[map { $all[$_]{done} || $kept->[$_] ? $kept->[$_] : $case->{kind} eq 'columns' ? 1 : $all[$_]{items} } @known]}" ]));
}
