
# Copyright (c) 2026, the mlpipe authors

# A mixed load while processes are killed, the server stops, workers run out and
# rights go: nothing is lost, done twice, stuck or left behind.
#
# bench/soak runs this for hours.  HAVOC_SEED repeats a seed, HAVOC_MINUTES says
# for how long; without them it is a short form with a fixed seed.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use FindBin;
use lib "$FindBin::RealBin/..";
use Havoc;

my $seed = $ENV{HAVOC_SEED} // 20260101;
my $until = time + 60 * ($ENV{HAVOC_MINUTES} // 0.5);
my $havoc = Havoc->new($seed);
my $round = 0;

# A round that fails is the last one: what follows would only hide it.
while (time < $until)
{
	last unless $havoc->round(++$round, runs => 25, actions => 6);
}
$havoc->finish;
done_testing();
