/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What mlpipe's processes share in memory, all under one lock.
 *
 * The tables are the truth; this is a cache of what is ready, a board of who
 * does what, and the place where processes find each other's latches.  It can
 * be lost at any time: the scheduler of a database fills it again.
 *
 * One LWLock guards everything here, held for a few loads and stores at a time,
 * never across SQL, memory allocation or ereport(ERROR).  A pointer to a PGPROC
 * is set and cleared by its owner under the lock, so whoever holds the lock may
 * signal it and be sure whom that hits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SHMEM_H
#define MLPIPE_SHMEM_H

#include "datatype/timestamp.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "storage/condition_variable.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "engine/culprit.h"

#define MAX_DATABASES     128
#define MAX_LANES         256
#define MAX_STEPS         128
#define MAX_HOLDS         (2 * MAX_STEPS)
#define MAX_READY         65536
#define REFILL_BELOW      (MAX_READY / 4) /* entries, after an overflow */
#define REFILL_LIMIT      (MAX_READY / 2) /* entries read at once */
#define MAX_STEP_RETRIES  128
#define MAX_BATCH_GROUP   64 /* mini-batches in one transaction */
#define RUN_EVENT_BUCKETS 64

/* What orders ready work: priority, then age of the run. */
typedef struct WorkOrder
{
	int32 run_priority;
	int64 run_id;
	int32 priority; /* of the activity */
	int32 no;
	int32 activity_no; /* in the document */
} WorkOrder;

/* An activity that can start. */
typedef struct ReadyEntry
{
	pairingheap_node node; /* in its lane's heap, or next in free list */
	struct ReadyEntry *next_free;
	WorkOrder order;
} ReadyEntry;

/* The work of one role in one database, and the executors that do it. */
typedef struct Lane
{
	Oid database; /* InvalidOid: the lane is free */
	Oid role;
	pairingheap ready; /* of ReadyEntry */
	int nready;
	dlist_head steps; /* of StepState */
	int nexecutors;   /* starting, idle or busy */
	int nidle;
	TimestampTz last_take_at;  /* when an executor last took work here */
	TimestampTz waiting_since; /* when work last began to wait; 0: none */
	uint32 begun;              /* activities, ever; it wraps around */
	uint32 begun_before;       /* when the scheduler looked at that */
	TimestampTz looked_at;     /* 0: since then an executor was idle */
	int failed_starts;         /* executors in a row that could not work */
	TimestampTz failed_start_at;
} Lane;

/* Why a running statement is to stop; kept in the error. */
typedef enum Interrupt
{
	INTERRUPT_NONE,
	INTERRUPT_CANCEL, /* its run was cancelled or failed fast */
	INTERRUPT_RUN_TIMEOUT,
	INTERRUPT_TIMEOUT,     /* the attempt's own */
	INTERRUPT_TRANSACTION, /* transaction_timeout */
	INTERRUPT_STEP,        /* its step has failed */
	INTERRUPT_CONTAINER    /* a container around it has stopped */
} Interrupt;

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_STARTING, /* registered, not connected yet */
	SLOT_IDLE,     /* waits for its latch */
	SLOT_BUSY,     /* works, or looks for work */
	SLOT_DEAD      /* its process is gone; the scheduler buries it */
} SlotState;

/* One executor. */
typedef struct ExecutorSlot
{
	SlotState state;
	uint32 generation; /* counts the processes that had this slot */
	Oid database;
	Oid role;
	Lane *lane;
	PGPROC *proc; /* NULL before it is attached and after its end */
	int pid;
	bool retire; /* asked to end when it has nothing to do */

	/* what it works on; run_id 0: nothing */
	int64 run_id;
	int32 no;
	int32 attempt;
	struct StepState *step; /* where it works on mini-batches */
	bool lingering;         /* in that step, which has none for it now */
	bool leaving;           /* that step, whose failure is no matter to it */
	bool has_hold;          /* on a snapshot, for a step it is splitting */
	int32 nbatches;         /* in its hands, uncommitted */
	int32 batches[MAX_BATCH_GROUP];
	int32 batch_attempts[MAX_BATCH_GROUP];
	TimestampTz since;
	bool waiting;         /* in mlpipe_wait(), for another run */
	bool evicted;         /* was made to go, for a statement */
	bool quit;            /* told to, since another process has crashed */
	Interrupt interrupt;  /* why it was signalled */
	int64 progress_done;  /* mlpipe_progress() */
	int64 progress_total; /* 0: not said */
	TimestampTz progress_at;
} ExecutorSlot;

/* A parallel activity that hands out mini-batches. */
typedef struct StepState
{
	dlist_node node; /* in its lane's list of steps */
	Lane *lane;      /* NULL: this entry is free */
	WorkOrder order;
	int32 batches;               /* 1..batches */
	int32 next_batch;            /* the next number never handed out */
	int32 attempts_before;       /* at mini-batches, in earlier attempts */
	TransactionId snapshot_xmin; /* of its snapshot; invalid: it has none */
	int32 max_workers;
	int32 nworkers;
	int32 nretries; /* in the two arrays below */
	int32 retry_batches[MAX_STEP_RETRIES];
	int32 retry_attempts[MAX_STEP_RETRIES]; /* that will be made */
	bool rescan;              /* more to retry than the arrays hold */
	bool stopping;            /* hand out nothing more */
	TimestampTz paused_until; /* hand out nothing before; 0: no pause */
	bool suspended;           /* hand out nothing for now */
	bool careful;             /* after a crash: see parallel_crash.c */
	bool alone;      /* one worker at a time, for it may crash the server */
	int32 nsuspects; /* the first ones of the retries, which may, too */

	/* since the step began, with what earlier processes committed */
	int32 succeeded;
	int32 failed;
	int32 retried;
	int64 items;
	int64 items_done;
	TimestampTz started_at;
	TimestampTz first_batch_at;
	TimestampTz last_batch_at; /* or mlpipe_progress() call, or published */
	double batch_seconds;      /* a moving average, to size groups */

	/* its time limits */
	TimestampTz deadline; /* 0: none */
	int64 first_batch_timeout;
	int64 progress_timeout; /* 0: none */
} StepState;

typedef enum HoldState
{
	HOLD_FREE,
	HOLD_WANTED, /* the keeper has not seen it yet */
	HOLD_HELD
} HoldState;

/* A snapshot of a step, whose rows must not be vacuumed away (horizon.h). */
typedef struct Hold
{
	HoldState state;
	Oid database;
	int64 run_id;
	int32 no;
	TransactionId xmin;
	VirtualTransactionId
		source;          /* has that snapshot; invalid: nobody any more */
	ExecutorSlot *owner; /* who splits; NULL: the step itself */
} Hold;

/* Does anybody wait, after a start, until such are held (horizon_gate.h)? */
typedef enum GateState
{
	GATE_UNUSED, /* there is nothing to hold */
	GATE_CLOSED,
	GATE_OPEN
} GateState;

/* One database that has the extension. */
typedef struct DatabaseState
{
	Oid database; /* InvalidOid: free */
	PGPROC *scheduler;
	int scheduler_pid;
	PGPROC *keeper; /* holds the snapshots of steps */
	int keeper_pid;
	bool wanted;             /* a scheduler should run here */
	TimestampTz start_after; /* back-off of the launcher */
	int failures;            /* starts in a row that came to nothing */
	bool stopping;           /* workers make way for a statement */
	PGPROC *stopped_by;      /* whose it is */
	bool settled;            /* its scheduler has found the extension */
	bool recovered;          /* what ran when the server stopped was seen to */
	bool published;          /* and its steps are in shared memory again */

	/* what the scheduler is asked to do when its latch is set */
	bool refill;           /* shared memory does not hold all that is ready */
	TimestampTz refill_at; /* not before this; 0: now */
	bool overflowed;       /* ready work was left out for want of room */
	bool admit;            /* runs wait for the concurrency of a pipeline */
	bool changes;          /* source tables changed */
	bool start_executors;
	bool sweep;           /* an executor died, a step has to be ended */
	bool stop;            /* runs are to be stopped */
	TimestampTz next_due; /* the earliest time that something is due */
} DatabaseState;

typedef struct Control
{
	LWLock *lock;
	PGPROC *launcher;
	TimestampTz crashed_at; /* the server's start, if it had crashed; or 0 */
	Culprit culprits[MAX_CULPRITS]; /* of that crash; none: not known */
	int nculprits;
	int nready; /* entries in all lanes */
	ReadyEntry *free_ready;
	ConditionVariable run_events[RUN_EVENT_BUCKETS]; /* by run_id: anything */
	ConditionVariable run_ends[RUN_EVENT_BUCKETS];   /* its end alone */
	DatabaseState databases[MAX_DATABASES];
	Lane lanes[MAX_LANES];
	StepState steps[MAX_STEPS];
	Hold holds[MAX_HOLDS];
	bool takes_over; /* the server was a standby, or is a copy of another */
	GateState gate;
	TimestampTz gate_deadline; /* 0: nobody has waited yet */
	ConditionVariable gate_opened;
	int nslots;
	ExecutorSlot *slots;
	ReadyEntry *ready;
} Control;

/* NULL if the library was not in shared_preload_libraries. */
extern Control *control;

extern void shmem_install_hooks(void);

/* Raises 55000 with a hint if there is no shared memory. */
extern void shmem_require(void);

/*
 * The lock, by names that say what they are for; both may be taken in a commit
 * callback, where nothing may fail.
 */
#define control_lock()        LWLockAcquire(control->lock, LW_EXCLUSIVE)
#define control_lock_shared() LWLockAcquire(control->lock, LW_SHARED)
#define control_unlock()      LWLockRelease(control->lock)

/*
 * Has the server crashed lately; has it after that time?  Known since the
 * server's start, so these need no lock.
 */
extern bool crash_was_lately(void);
extern bool crash_was_after(TimestampTz time);

/* The following want the lock held. */
extern DatabaseState *database_find(Oid database);
extern DatabaseState *database_find_or_add(Oid database); /* NULL: full */
extern Lane *lane_find(Oid database, Oid role);
extern Lane *lane_find_or_add(Oid database, Oid role); /* NULL: full */
extern void lane_free_if_unused(Lane *lane);
extern StepState *step_find(Oid database, int64 run_id, int32 no);
extern void scheduler_wake(DatabaseState *database);
extern void launcher_wake(void);
extern int work_compare(const WorkOrder *a, const WorkOrder *b);

/* A role's queue of ready activities. */
extern bool ready_push(Lane *lane, const WorkOrder *order); /* false: full */
extern const WorkOrder *ready_first(Lane *lane);            /* NULL: empty */
extern bool ready_pop(Lane *lane, WorkOrder *order);
extern void ready_clear(Lane *lane);

/* Can an executor join it now?  How many could, as far as it has work? */
extern bool step_is_joinable(const StepState *step);
extern int step_room(const StepState *step);

/*
 * Work came into the lane: wakes an executor that is idle or has nothing to do
 * in its step, or asks for a new one.
 */
extern void lane_wake(Lane *lane);

extern ConditionVariable *run_event(int64 run_id);
extern ConditionVariable *run_end_event(int64 run_id);

#endif /* MLPIPE_SHMEM_H */
