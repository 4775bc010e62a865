/*-------------------------------------------------------------------------
 *
 * document.h
 *	  A pipeline's document as checked structs.
 *
 * document_parse() is the one way from jsonb to a Document, for the functions
 * that define pipelines (which report its problems) and for the workers that
 * run them (for which a stored document has none).  A Document is immutable
 * and lives in one memory context, so that workers can cache it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_DOCUMENT_H
#define MLPIPE_DOCUMENT_H

#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "graph.h"
#include "json_reader.h"
#include "problem.h"
#include "template.h"

#define MAX_PIPELINE_NAME	140 /* bytes */
#define MAX_ACTIVITY_NAME	63	/* bytes */

/* A parameter or a variable. */
typedef struct DeclaredValue
{
	char	   *name;
	Oid			type;
	int32		typmod;
	char	   *type_name;		/* as SQL, schema-qualified where need be */
	Jsonb	   *default_value;	/* NULL where there is none */
} DeclaredValue;

typedef enum IfRunning
{
	IF_RUNNING_QUEUE,
	IF_RUNNING_SKIP,
	IF_RUNNING_CANCEL,
	IF_RUNNING_ERROR
} IfRunning;

typedef enum Durability
{
	DURABILITY_DEFAULT,			/* as the setting mlpipe.durability says */
	DURABILITY_RUN,
	DURABILITY_ACTIVITY
} Durability;

typedef struct RetryPolicy
{
	int			max_retries;	/* after the first attempt */
	int64		interval;		/* microseconds before the first retry */
	double		backoff;		/* factor from retry to retry */
	int64		max_interval;	/* microseconds; 0: no bound */
	List	   *on;				/* of char *: SQLSTATEs or classes; NIL: all */
} RetryPolicy;

/* Common keys that only some types take (pipeline-document.md). */
#define TAKES_RETRY			(1 << 0)
#define TAKES_TRANSACTION	(1 << 1)
#define TAKES_REUSE			(1 << 2)	/* reuse, inputs, outputs */
#define TAKES_COMPUTE		(1 << 3)

struct ActivityDef;

/*
 * What the definition of a type needs: its name, which common keys it takes,
 * and check(), which reads and checks the type's own keys and returns its
 * config, a struct of its own (any pointer, may be NULL).  Never raises.
 */
typedef struct ActivityKind
{
	const char *name;
	int			takes;
	void	   *(*check) (JsonReader *reader, struct ActivityDef *def,
						  const TemplateScope *scope);
} ActivityKind;

typedef struct ActivityDef
{
	int			no;				/* its number in the document; see below */
	int			position;		/* its place in the JSON array, for paths */
	char	   *name;
	const ActivityKind *kind;
	void	   *config;			/* what kind->check() returned */
	int			priority;
	int64		timeout;		/* microseconds of one attempt; 0: none */
	RetryPolicy retry;
	bool		active;
	ActivityEnd on_inactive;	/* how it counts when not active */
	bool		own_transactions;	/* transaction: none */
	bool		secure_output;
	bool		rerun_always;	/* on_rerun: run */
	Jsonb	   *definition;		/* its object in the document */
} ActivityDef;

/*
 * Activities are numbered from 0 in topological order, ties in the order of
 * the document.  Whoever locks rows of several activities of a run does so in
 * ascending order of their numbers, and so never deadlocks.
 */
typedef struct Document
{
	char	   *description;
	char	   *problem;		/* why it cannot be run any more; NULL: it can */
	List	   *parameters;		/* of DeclaredValue * */
	List	   *variables;		/* of DeclaredValue * */
	int			concurrency;	/* runs at once; 0: no limit */
	IfRunning	if_running;
	bool		fail_fast;
	Durability	durability;
	int64		timeout;		/* microseconds; 0: none */
	Jsonb	   *output;			/* object of templates, or NULL */
	int			nactivities;
	ActivityDef *activities;	/* by number */
	Graph	   *graph;			/* over numbers */
	int			nleaves;
	HTAB	   *names;			/* numbers by name: upstream.h */
} Document;

/*
 * Parses and checks a whole document in the current memory context.  kinds is
 * a NULL-terminated array of the types that there are; other types that the
 * contract names are refused by name.  NULL where an error was reported.
 */
extern Document *document_parse(Jsonb *json, const ActivityKind *const *kinds,
								ProblemList *problems);

/*
 * The document as it is stored: types of parameters and variables that are not
 * the server's are named with their schema, since whoever reads it later has
 * another search_path.
 */
extern Jsonb *document_bind_types(Jsonb *json, const Document *document);

/*
 * The same for a stored document, which was checked when it was stored.  What
 * it refers to may have gone since, such as a type: then its graph is whole,
 * and problem says why its activities cannot be run.
 */
extern Document *document_parse_stored(Jsonb *json,
									   const ActivityKind *const *kinds);

/* NULL where there is none of that name. */
extern const DeclaredValue *declared_value_find(List *declared,
												const char *name);
extern const ActivityDef *document_activity(const Document *document,
											const char *name);

#endif							/* MLPIPE_DOCUMENT_H */
