/*-------------------------------------------------------------------------
 *
 * parallel_monitor.c
 *	  Samples of what a worker of a parallel step uses of the machine.
 *
 * A timer takes them, also in the middle of a long mini-batch, and only into a
 * buffer here: its handler may neither allocate memory nor raise an error.  The
 * transaction that ends the next mini-batch writes what has gathered into
 * mlpipe.metric, whether the mini-batch has succeeded or failed.  So a worker
 * that has nothing to write pays for one comparison a transaction.
 *
 * If a mini-batch lasts so long that the buffer is full, every other sample is
 * dropped, and from then on only every other one is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "activity/parallel_monitor.h"
#include "store/journal_store.h"

#define MAX_SAMPLES     256
#define BYTES_OF_RUSAGE 512  /* getrusage() counts blocks of so many */
#define KILOBYTE        1024 /* and memory in these */

/* What was used since the worker joined the step; memory: as it is. */
typedef struct Sample
{
	TimestampTz at;
	double cpu_seconds;
	int64 memory_bytes;
	int64 read_bytes;
	int64 written_bytes;
} Sample;

#define METRICS_OF_SAMPLE 4

static TimeoutId monitor_id = MAX_TIMEOUTS;
static Sample start; /* what the worker had used before it joined */

/* Shared with the handler of the timer. */
static Sample samples[MAX_SAMPLES];
static volatile sig_atomic_t nsamples = 0;
static volatile sig_atomic_t in_use = false; /* by the one it interrupts */
static int ticks = 0;
static int every = 1; /* one sample is taken in so many ticks */

/* The first so many, written by a transaction that may still fail. */
static volatile sig_atomic_t nwritten = 0;

static void tick(void);
static void drop_every_other(void);
static void take_sample(Sample *sample);
static double seconds(const struct timeval *time);
static int64 memory_in_use(const struct rusage *usage);
static int64 private_memory(void);

void
monitor_start(int64 interval)
{
	nsamples = 0;
	nwritten = 0;
	ticks = 0;
	every = 1;
	if (interval == 0)
		return;
	memset(&start, 0, sizeof(start));
	take_sample(&start);
	if (monitor_id == MAX_TIMEOUTS)
		monitor_id = RegisterTimeout(USER_TIMEOUT, tick);
	enable_timeout_every(monitor_id, start.at + interval,
						 (int) (interval / 1000));
}

void
monitor_stop(void)
{
	if (monitor_id != MAX_TIMEOUTS)
		disable_timeout(monitor_id, false);
	nsamples = 0;
}

/* A signal handler. */
static void
tick(void)
{
	if (in_use || ++ticks % every != 0)
		return;
	if (nsamples == MAX_SAMPLES)
	{
		if (nwritten > 0)
			return;
		drop_every_other();
	}
	take_sample(&samples[nsamples]);
	nsamples++;
}

static void
drop_every_other(void)
{
	int i;

	for (i = 0; i < MAX_SAMPLES / 2; i++)
		samples[i] = samples[2 * i + 1];
	nsamples = MAX_SAMPLES / 2;
	every *= 2;
}

/* Fit for a signal handler. */
static void
take_sample(Sample *sample)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	sample->at = GetCurrentTimestamp();
	sample->cpu_seconds = seconds(&usage.ru_utime) + seconds(&usage.ru_stime) -
		start.cpu_seconds;
	sample->memory_bytes = memory_in_use(&usage);
	sample->read_bytes = (int64) usage.ru_inblock * BYTES_OF_RUSAGE -
		start.read_bytes;
	sample->written_bytes = (int64) usage.ru_oublock * BYTES_OF_RUSAGE -
		start.written_bytes;
}

static double
seconds(const struct timeval *time)
{
	return time->tv_sec + time->tv_usec / (double) USECS_PER_SEC;
}

/* If only the maximum so far is known, that. */
static int64
memory_in_use(const struct rusage *usage)
{
	int64 memory = private_memory();

	return memory >= 0 ? memory : (int64) usage->ru_maxrss * KILOBYTE;
}

/*
 * Memory that is resident and not shared: the server's buffers do not count.
 * The file has numbers of pages: all, resident, shared.  -1: there is no file.
 */
static int64
private_memory(void)
{
	char text[128];
	int file = open("/proc/self/statm", O_RDONLY);
	ssize_t length;
	char *next = text;
	int64 pages[3];
	int i;

	if (file < 0)
		return -1;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	for (i = 0; i < lengthof(pages); i++)
		pages[i] = strtol(next, &next, 10);
	return (pages[1] - pages[2]) * sysconf(_SC_PAGESIZE);
}

bool
monitor_has_samples(void)
{
	return nsamples > 0;
}

void
monitor_write(int64 run_id, int32 no)
{
	static const char *const names[METRICS_OF_SAMPLE] =
		{"worker_cpu_seconds", "worker_memory_bytes", "worker_read_bytes",
		 "worker_written_bytes"};
	Datum at[MAX_SAMPLES * METRICS_OF_SAMPLE];
	Datum metrics[MAX_SAMPLES * METRICS_OF_SAMPLE];
	Datum steps[MAX_SAMPLES * METRICS_OF_SAMPLE];
	bool no_step[MAX_SAMPLES * METRICS_OF_SAMPLE];
	Datum values[MAX_SAMPLES * METRICS_OF_SAMPLE];
	int n = 0;
	int i;
	int j;

	if (nsamples == 0)
		return;
	nwritten = nsamples;
	for (i = 0; i < nwritten; i++)
	{
		const Sample *sample = &samples[i];
		double numbers[METRICS_OF_SAMPLE] = {sample->cpu_seconds,
											 sample->memory_bytes,
											 sample->read_bytes,
											 sample->written_bytes};

		for (j = 0; j < METRICS_OF_SAMPLE; j++, n++)
		{
			at[n] = TimestampTzGetDatum(sample->at);
			metrics[n] = CStringGetTextDatum(names[j]);
			steps[n] = Int64GetDatum(MyProcPid);
			no_step[n] = false;
			values[n] = Float8GetDatum(numbers[j]);
		}
	}
	metric_insert(run_id, no, n, at, metrics, steps, no_step, values);
}

void
monitor_forget_written(void)
{
	if (nwritten == 0)
		return;
	in_use = true;
	nsamples -= nwritten;
	memmove(samples, samples + nwritten, nsamples * sizeof(Sample));
	nwritten = 0;
	every = 1;
	in_use = false;
}
