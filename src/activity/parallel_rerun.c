/*-------------------------------------------------------------------------
 *
 * parallel_rerun.c
 *	  A parallel step that goes on with what it had done in an earlier run.
 *
 * A mini-batch's number says nothing: the input is read again, and may be
 * another one by now.  A mini-batch is recognized by
 *	  - the keys of its partition, as JSON;
 *	  - the content of its rows, if they were copied (from a query or files): the
 *		split keeps a hash of it;
 *	  - the rows themselves, if a table was split where it is: the step's
 *		snapshot tells them from later ones (parallel_left.c).
 * If the mini-batches that succeeded are not found again like that, nobody can
 * tell which rows are done.  We do not guess, and do some twice or not at all:
 * it is an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "activity/parallel_key_table.h"
#include "activity/parallel_rerun.h"
#include "activity/sql_name.h"
#include "store/engine_mode.h"

static void take_partitions(ActivityCall *call, const Split *split);
static void take_copies(ActivityCall *call, const Split *split,
						const EarlierStep *earlier);
static EarlierStep *load_earlier(const ActivityCall *call);

bool
parallel_split_left(ActivityCall *call, Split *split)
{
	const ParallelConfig *config = call->def->config;
	EarlierStep *earlier = load_earlier(call);
	Oid relation;

	if (config->table == NULL || earlier == NULL || earlier->row.staged)
		return false;
	relation = RangeVarGetRelid(table_range_var(
									call_render(call, config->table)),
								AccessShareLock, false);
	if (relation != earlier->row.relation)
		parallel_refuse_rerun(call, "The input is another table.");
	parallel_copy_left(call, relation, earlier, split);
	return true;
}

void
parallel_take_over(ActivityCall *call, const Split *split)
{
	const ParallelConfig *config = call->def->config;
	EarlierStep *earlier;
	EngineMode mode;

	if (config->partition_keys != NIL)
	{
		take_partitions(call, split);
		return;
	}
	earlier = load_earlier(call);
	if (earlier == NULL)
		parallel_refuse_rerun(call, "It is not known how it was split.");
	if (earlier->row.staged)
		take_copies(call, split, earlier);
	engine_mode_enter(&mode);
	batches_take(call->run_id, call->goes_on_from, call->no);
	engine_mode_leave(&mode);
}

/*
 * The keys are read as the user, whose types may have casts of their own.
 *
 * If equal values of a type can look different, a key looks as in the first row
 * of its partition, which may be another row by now.
 */
static void
take_partitions(ActivityCall *call, const Split *split)
{
	const ParallelConfig *config = call->def->config;
	const StepRow *row = &split->row;
	bool in_table = OidIsValid(row->key_relation);
	Relation relation = table_open(in_table ? row->key_relation :
											  row->relation,
								   AccessShareLock);
	BatchKeys *keys = batch_keys_create(RelationGetDescr(relation),
										config->partition_keys);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	int32 *numbers = palloc_extended(row->batches * sizeof(int32),
									 MCXT_ALLOC_HUGE);
	Datum *values = palloc_extended(row->batches * sizeof(Datum),
									MCXT_ALLOC_HUGE);
	EngineMode mode;
	bool found;

	for (int32 i = 0; i < row->batches; i++)
	{
		Partition partition;

		CHECK_FOR_INTERRUPTS();
		partition_read(split->boundaries.data + (Size) i * PARTITION_SIZE,
					   &partition);
		key_table_read(relation, in_table ? &partition.keys : &partition.begin,
					   slot);
		numbers[i] = i + 1;
		values[i] = JsonbPGetDatum(batch_keys_jsonb(keys, slot));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	engine_mode_enter(&mode);
	found = keys->same_json ||
		batches_have_keys(call->goes_on_from, call->no, values, row->batches);
	engine_mode_leave(&mode);
	if (!found)
		parallel_refuse_rerun(
			call,
			"The keys of a partition that had succeeded are not found again, or are those of two.");
	engine_mode_enter(&mode);
	batches_take_by_keys(call->run_id, call->goes_on_from, call->no, numbers,
						 values, row->batches);
	engine_mode_leave(&mode);
}

/* Those that are done have to be the same; the others may be anything. */
static void
take_copies(ActivityCall *call, const Split *split, const EarlierStep *earlier)
{
	EarlierBatches batches;
	EngineMode mode;

	engine_mode_enter(&mode);
	earlier_batches(call->goes_on_from, call->no, &batches);
	engine_mode_leave(&mode);
	if (earlier->hashes == NULL || split->hashes.data == NULL)
		parallel_refuse_rerun(call, "It is not known how it was split.");
	for (int i = 0; i < batches.count; i++)
	{
		Size offset = (batches.numbers[i] - 1) * sizeof(uint64);

		if (batches.succeeded[i] &&
			(offset >= split->hashes.len ||
			 offset >= VARSIZE_ANY_EXHDR(earlier->hashes) ||
			 memcmp(split->hashes.data + offset,
					VARDATA_ANY(earlier->hashes) + offset,
					sizeof(uint64)) != 0))
			parallel_refuse_rerun(
				call,
				psprintf(
					"Mini-batch %d, which had succeeded, has other rows now.",
					batches.numbers[i]));
	}
}

static EarlierStep *
load_earlier(const ActivityCall *call)
{
	EngineMode mode;
	EarlierStep *earlier;

	engine_mode_enter(&mode);
	earlier = earlier_step(call->goes_on_from, call->no);
	engine_mode_leave(&mode);
	return earlier;
}

void
parallel_refuse_rerun(const ActivityCall *call, const char *detail)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("the mini-batches that succeeded in run " INT64_FORMAT
				" cannot be told from the others: the input has changed",
				call->goes_on_from),
		 errdetail_internal("%s", detail),
		 errhint(
			 "To do all of them again, name the activity in mlpipe_rerun(..., from_activity => ...).")));
}
