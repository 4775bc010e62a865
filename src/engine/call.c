/*-------------------------------------------------------------------------
 *
 * call.c
 *	  One attempt at one activity, as the types and the functions that are
 *	  called inside an activity see it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "activity/activity.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/session.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"

#define MAX_OUTPUT_BYTES	(64 * 1024 * 1024)

ActivityCall *MyCall = NULL;

ActivityCall *
call_begin(int64 run_id, int32 no, int32 attempt)
{
	const RunInfo *run = run_info(run_id);
	ActivityCall *call;

	MemoryContextReset(WorkContext);
	call = MemoryContextAllocZero(WorkContext, sizeof(ActivityCall));
	call->run_id = run_id;
	call->no = no;
	call->attempt = attempt;
	call->role = run->run_as;
	call->document = run->document;
	call->def = &run->document->activities[no];
	call->context = WorkContext;
	call->items_in = -1;
	call->items_out = -1;
	journal_reset();
	MyCall = call;
	return call;
}

void
call_end(void)
{
	MyCall = NULL;
}

Jsonb *
call_context(ActivityCall *call)
{
	if (call->run_context == NULL)
	{
		MemoryContext previous = MemoryContextSwitchTo(call->context);
		EngineMode	mode;

		engine_mode_enter(&mode);
		call->run_context = run_context_load(call->run_id);
		engine_mode_leave(&mode);
		MemoryContextSwitchTo(previous);
	}
	return call->run_context;
}

char *
call_render(ActivityCall *call, const Template *tmpl)
{
	if (template_is_constant(tmpl))
		return pstrdup(template_source(tmpl));
	return template_render(tmpl, call_context(call));
}

void
call_set_output(ActivityCall *call, Jsonb *output)
{
	if (VARSIZE(output) > MAX_OUTPUT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("output of activity \"%s\" is too large",
						call->def->name),
				 errdetail("It has %zu bytes, and at most %d are kept.",
						   (size_t) VARSIZE(output), MAX_OUTPUT_BYTES),
				 errhint("Write large results to a table.")));
	call->output = MemoryContextAlloc(call->context, VARSIZE(output));
	memcpy(call->output, output, VARSIZE(output));
}

void
call_log(int elevel, const char *message)
{
	journal_log(elevel, message);
}
