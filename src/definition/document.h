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

#define MAX_PIPELINE_NAME 140 /* bytes */
#define MAX_ACTIVITY_NAME 63  /* bytes */

/* A parameter or a variable. */
typedef struct DeclaredValue
{
	char *name;
	Oid type;
	int32 typmod;
	char *type_name;      /* as SQL, schema-qualified where need be */
	Jsonb *default_value; /* NULL where there is none */
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
	DURABILITY_DEFAULT, /* as the setting mlpipe.durability says */
	DURABILITY_RUN,
	DURABILITY_ACTIVITY
} Durability;

typedef struct RetryPolicy
{
	int max_retries;    /* after the first attempt */
	int64 interval;     /* microseconds before the first retry */
	double backoff;     /* factor from retry to retry */
	int64 max_interval; /* microseconds; 0: no bound */
	List *on;           /* of char *: SQLSTATEs or classes; NIL: all */
} RetryPolicy;

/* Common keys that only some types take (pipeline-document.md). */
#define TAKES_RETRY       (1 << 0)
#define TAKES_TRANSACTION (1 << 1)
#define TAKES_REUSE       (1 << 2) /* reuse, inputs, outputs */
#define TAKES_COMPUTE     (1 << 3)

/* A type that waits without an executor: its timeout covers all the waiting. */
#define TAKES_ITS_TIME (1 << 4)
#define STARTS_RUNS    (1 << 5) /* child runs */

/* From this many awaited ends on, they are counted in parts: engine/tally.h. */
#define SPREAD_FROM 64

struct ActivityDef;

/*
 * What the definition of a type needs: its name, which common keys it takes,
 * and check(), which reads and checks the type's own keys and returns its
 * config, a struct of its own (any pointer, may be NULL).  Never raises.
 */
typedef struct ActivityKind
{
	const char *name;
	int takes;
	void *(*check)(JsonReader *reader, struct ActivityDef *def,
				   const TemplateScope *scope);
	const char *const *output_words; /* the keys that its output can have, then
									  * a NULL; NULL: any keys */
} ActivityKind;

/*
 * Activities that depend on each other: those of the document, or of a body
 * (a branch, what a loop repeats) of a container, which is an activity too.
 */
typedef struct ActivityList
{
	int first; /* the number of its first activity */
	int count;
	Graph *graph;      /* over places in the list, from 0 */
	HTAB *names;       /* places by name: upstream.h */
	int nawaited;      /* activities that its end waits for */
	int depth;         /* containers around it */
	int container;     /* the number of the nearest; -1: none */
	const char *label; /* a branch's, as in "if.then.load"; NULL: none */
	const char
		*section;    /* the object in the container that has key; or NULL */
	const char *key; /* where the list stands in that, or the container */
	bool repeated;   /* a loop's */
	bool has_items;  /* a for_each's */
	int nrows;       /* of activity_run, for one execution of it */
	int row_offset;  /* of a branch, from its container's list's */
	List *variables; /* of DeclaredValue *: of each execution */
} ActivityList;

typedef struct ActivityDef
{
	int no;       /* its number in the document; see below */
	int position; /* its place in the JSON array, for paths */
	char *name;
	const ActivityList *list; /* that it stands in */
	List *bodies;             /* of ActivityList *: a container's */
	bool join_any;
	bool awaited;   /* does the end of its list wait for it? */
	int awaited_as; /* its place among those */
	bool internal;  /* a loop's look at its condition */
	const ActivityKind *kind;
	void *config; /* what kind->check() returned */
	int priority;
	int64 timeout; /* microseconds of one attempt; 0: none */
	RetryPolicy retry;
	bool active;
	ActivityEnd on_inactive; /* how it counts when not active */
	bool own_transactions;   /* transaction: none */
	bool secure_output;      /* or one inside has it */
	bool rerun_always;       /* on_rerun: run */
	bool rerun_inside;       /* or one inside has that */
	bool reuse;
	bool has_inputs; /* named in the document, like the outputs */
	bool has_outputs;
	List *inputs; /* of Template *: names of tables */
	List *outputs;
	Jsonb *definition;   /* its object in the document */
	ContextNeeds *needs; /* of all texts in it */
} ActivityDef;

/*
 * The activities of a list have consecutive numbers, in topological order, ties
 * in the order of the document; those of the document itself begin with 0.  In
 * a run the rows of one execution of a list have consecutive numbers in the
 * same order.  src/README.md tells in which order rows are locked.
 */
typedef struct Document
{
	char *description;
	char *problem;    /* why it cannot be run any more; NULL: it can */
	List *parameters; /* of DeclaredValue * */
	List *variables;  /* of DeclaredValue * */
	int concurrency;  /* runs at once; 0: no limit */
	IfRunning if_running;
	bool fail_fast;
	Durability durability;
	int64 timeout; /* microseconds; 0: none */
	Jsonb *output; /* object of templates, or NULL */
	ContextNeeds *output_needs;
	int nactivities;          /* at all levels */
	ActivityDef *activities;  /* by number */
	const ActivityList *list; /* of the document itself */
	bool nested;              /* are there containers? */
	bool has_children;        /* can its runs have child runs? */
	bool spread;              /* is anything counted apart? */
} Document;

/*
 * Parses and checks a whole document in the current memory context.  kinds is
 * a NULL-terminated array of the types that there are; other types that the
 * contract names are refused by name.  NULL where an error was reported.
 */
extern Document *document_parse(Jsonb *json, const ActivityKind *const *kinds,
								ProblemList *problems);

/*
 * The same for a stored document, which was checked when it was stored.  What
 * it refers to may have gone since, such as a type: then its graph is whole,
 * and problem says why its activities cannot be run.
 */
extern Document *document_parse_stored(Jsonb *json,
									   const ActivityKind *const *kinds);

/*
 * For the check() of a container: parses the list of activities below a key,
 * and adds it to def->bodies.  scope is what the paths in it may name, besides
 * its own activities.  label NULL: it is repeated.  check, where not NULL, is
 * the kind of an internal activity that follows all others of the list: its
 * check() gets the container's reader, and all of the list is upstream of it.
 * section: the key of an object in the container that reader reads, or NULL
 * where that is the container itself.  NULL where there is no activity.
 */
extern const ActivityList *document_parse_body(
	JsonReader *reader, const char *section, const char *key, ActivityDef *def,
	const TemplateScope *scope, const char *label, const ActivityKind *check);

/* Parameters, variables; a list of DeclaredValue * from the object at key. */
extern List *document_parse_declared(JsonReader *parent, const char *key);

/*
 * The document as it is stored: types of parameters and variables that are not
 * the server's are named with their schema, since whoever reads it later has
 * another search_path.
 */
extern Jsonb *document_bind_types(Jsonb *json, const Document *document);

/* NULL where there is none of that name. */
extern const DeclaredValue *declared_value_find(List *declared,
												const char *name);

/* "The pipeline's parameters: "a", "b".": for hints; what: in the plural. */
extern char *declared_names_hint(const List *declared, const char *what);

/*
 * The variable of that name that the activity sees; NULL where there is none.
 * *level: how many containers up the list is whose own it is.
 */
extern const DeclaredValue *document_find_variable(const Document *document,
												   const ActivityDef *def,
												   const char *name,
												   int *level);

/* All variables that it sees, the nearest first; a list of DeclaredValue *. */
extern List *document_visible_variables(const Document *document,
										const ActivityDef *def);

/* Where an activity stands in its list. */
#define activity_place(def) ((def)->no - (def)->list->first)

/* The activity at a place of a list. */
#define list_activity(document, list, place) \
	(&(document)->activities[(list)->first + (place)])

#endif /* MLPIPE_DOCUMENT_H */
