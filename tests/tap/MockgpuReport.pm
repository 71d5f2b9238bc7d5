# SPDX-License-Identifier: MIT
#
# What `prove --formatter MockgpuReport` prints: a line for each test as soon
# as it is known, with its time where that was a second or more, the diagnostics
# of those that fail, the reason of each skip, and at the end the totals, of tests
# and not of programs, in a line that tests/vm/check adds up:
#
#   report: 12 passed, 0 failed, 1 skipped
#
# A program that ends with an error although each of its tests passed, or that
# runs fewer or other tests than it planned, counts as one failure more.

package MockgpuReport;

use strict;
use warnings;
use parent 'TAP::Formatter::Base';

sub prepare {
	my $self = shift;
	$| = 1;
	$self->{count} = { passed => 0, failed => 0, skipped => 0 };
}

sub open_test {
	my ($self, $name, $parser) = @_;
	(my $short = $name) =~ s{.*/|\.t$}{}g;
	return MockgpuReport::Program->new($self->{count}, $short, $parser);
}

sub summary {
	my ($self, $aggregate, $interrupted) = @_;
	my $count = $self->{count};
	printf "report: %d passed, %d failed, %d skipped\n",
		$count->{passed}, $count->{failed} + ($interrupted ? 1 : 0), $count->{skipped};
}

package MockgpuReport::Program;

use Time::HiRes 'time';

sub new {
	my ($class, $count, $name, $parser) = @_;
	return bless {
		count => $count, name => $name, parser => $parser, notes => [], failing => 0,
		last => '', since => time,
	}, $class;
}

sub line {
	my ($self, $word, $what) = @_;
	printf "%-4s  %-14s %s\n", $word, $self->{name}, $what;
}

# Called for each line of TAP.
sub result {
	my ($self, $result) = @_;

	if ($result->is_test) {
		$self->test($result);
	} elsif ($result->is_bailout) {
		$self->{count}{failed}++;
		$self->line('FAIL', 'stopped: ' . $result->explanation);
	} elsif ($result->is_comment || $result->is_unknown) {
		# They come before the line that they explain, but for those that
		# begin with the name of the test just reported.  How far a test is
		# that runs many times is told at once.
		if ($result->as_string =~ /^# (\w+: round \d+ of \d+)$/) {
			print "      $1\n";
		} elsif (index($result->as_string, "# $self->{last} ") != 0) {
			push @{ $self->{notes} }, $result->as_string;
		} elsif ($self->{failing}) {
			print '      ', $result->as_string, "\n";
		}
	}
}

# The seconds since the test before, or since the program began.
sub took {
	my $self = shift;
	my ($since, $now) = ($self->{since}, time);

	$self->{since} = $now;
	return $now - $since < 1 ? '' : sprintf ' (%.1f s)', $now - $since;
}

sub test {
	my ($self, $result) = @_;
	my $took = $self->took;
	(my $name = $result->description) =~ s/^- //;

	$self->{last} = $name;
	$self->{failing} = 0;
	if (!$result->is_ok) {
		$self->{count}{failed}++;
		$self->line('FAIL', $name . $took);
		print map { "      $_\n" } @{ $self->{notes} };
		$self->{failing} = 1;
	} elsif ($result->has_skip) {
		$self->{count}{skipped}++;
		$self->line('skip', "$name: " . $result->explanation);
	} else {
		$self->{count}{passed}++;
		$self->line('ok', $name . $took);
	}
	$self->{notes} = [];
}

# Called when the program has ended.
sub close_test {
	my $self = shift;
	my $parser = $self->{parser};

	if ($parser->skip_all) {
		# Of a selection (T=), programs without a chosen test are silent.
		return if $parser->skip_all eq 'nothing selected';
		$self->{count}{skipped}++;
		$self->line('skip', 'all: ' . $parser->skip_all);
		return;
	}
	my @problems = $parser->parse_errors;
	if (!$parser->failed && ($parser->wait || $parser->exit)) {
		push @problems, $parser->wait & 127
			? 'killed by signal ' . ($parser->wait & 127)
			: 'exit status ' . $parser->exit;
	}
	return unless @problems;
	$self->{count}{failed}++;
	$self->line('FAIL', join '; ', @problems);
	print map { "      $_\n" } @{ $self->{notes} };
}

1;
