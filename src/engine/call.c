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
#include "engine/context.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/lineage.h"
#include "engine/placed.h"
#include "engine/reuse.h"
#include "engine/session.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"

static List *scopes_around(ActivityCall *call);
static int place_of(const ActivityCall *call);
static List *call_rows(ActivityCall *call);

#define MAX_OUTPUT_BYTES (64 * 1024 * 1024)

ActivityCall *MyCall = NULL;

ActivityCall *
call_begin(int64 run_id, int32 no, int32 activity_no, int32 attempt)
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
	call->def = &run->document->activities[activity_no];
	call->context = WorkContext;
	call->items_in = -1;
	call->items_out = -1;
	journal_reset();
	placed_begin(call->context);
	lineage_reset();
	reuse_forget_asked();
	MyCall = call;
	return call;
}

void
call_end(void)
{
	MyCall = NULL;
	placed_begin(NULL);
}

Jsonb *
call_context(ActivityCall *call)
{
	if (call->run_context == NULL)
	{
		MemoryContext previous = MemoryContextSwitchTo(call->context);
		EngineMode mode;

		engine_mode_enter(&mode);
		call->run_context = context_load(call->run_id, call->document,
										 scopes_around(call), place_of(call),
										 call->def->needs);
		engine_mode_leave(&mode);
		MemoryContextSwitchTo(previous);
	}
	return call->run_context;
}

Jsonb *
call_whole_context(ActivityCall *call)
{
	EngineMode mode;
	Jsonb *context;

	engine_mode_enter(&mode);
	context = context_load_all(call->run_id, call->document,
							   scopes_around(call));
	engine_mode_leave(&mode);
	return context;
}

JsonbValue *
call_parameter(ActivityCall *call, const char *name)
{
	Jsonb *context = call_context(call);
	JsonbValue *parameters = getKeyJsonValueFromContainer(&context->root,
														  "parameters",
														  strlen("parameters"),
														  NULL);

	if (parameters == NULL || parameters->type != jbvBinary)
		return NULL;
	return getKeyJsonValueFromContainer(parameters->val.binary.data, name,
										strlen(name), NULL);
}

/* A loop's look at its condition has all others of its list upstream. */
static int
place_of(const ActivityCall *call)
{
	return call->def->internal ? -1 : activity_place(call->def);
}

/* The run's own scope last. */
static List *
scopes_around(ActivityCall *call)
{
	List *scopes = NIL;
	List *rows;
	ListCell *cell;

	if (call->def->list->container < 0)
	{
		Scope *scope = palloc0(sizeof(Scope));

		scope->list = call->document->list;
		scope->parent_no = -1;
		return list_make1(scope);
	}
	rows = call_rows(call);
	foreach(cell, rows)
		scopes = lappend(scopes, scope_of(call->document, lfirst(cell)));
	return scopes;
}

/* Its own row and those of the containers around it. */
static List *
call_rows(ActivityCall *call)
{
	if (call->rows == NIL)
	{
		MemoryContext previous = MemoryContextSwitchTo(call->context);
		EngineMode mode;

		engine_mode_enter(&mode);
		call->rows = activity_ancestry(call->run_id, call->no);
		engine_mode_leave(&mode);
		MemoryContextSwitchTo(previous);
	}
	return call->rows;
}

const char *
call_name(ActivityCall *call)
{
	if (call->def->list->container < 0)
		return call->def->name;
	return ((ActivityRow *) linitial(call_rows(call)))->name;
}

TimestampTz
call_started_at(ActivityCall *call)
{
	return ((ActivityRow *) linitial(call_rows(call)))->started_at;
}

TimestampTz
call_deadline(ActivityCall *call)
{
	return call_started_at(call) + call->def->timeout;
}

const DeclaredValue *
call_variable(ActivityCall *call, const char *name, VariableKey *key)
{
	int level;
	const DeclaredValue *variable = document_find_variable(call->document,
														   call->def, name,
														   &level);

	key->run_id = call->run_id;
	key->no = -1;
	key->iteration = 0;
	key->name = name;
	if (variable != NULL && call->def->list->container >= 0)
	{
		ActivityRow *row = list_nth(call_rows(call), level);

		key->no = row->parent_no;
		key->iteration = row->iteration;
		key->name = variable->name;
	}
	return variable;
}

void
call_lock_variable(ActivityCall *call, const VariableKey *key)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	run_variable_lock(key);
	engine_mode_leave(&mode);
}

char *
call_render(ActivityCall *call, const Template *tmpl)
{
	if (template_is_constant(tmpl))
		return pstrdup(template_source(tmpl));
	return call_render_in(tmpl, call_context(call));
}

char *
call_render_in(const Template *tmpl, Jsonb *context)
{
	return template_render_noting(tmpl, context, placed_note);
}

const char *
call_shown(const char *text)
{
	return placed_hide(text);
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
