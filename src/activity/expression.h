/*-------------------------------------------------------------------------
 *
 * expression.h
 *	  SQL expressions of a document: conditions, and what variables are set to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_EXPRESSION_H
#define MLPIPE_EXPRESSION_H

#include "activity/activity.h"

/* The expression below a key, checked as far as its text is known. */
extern Template *expression_check(JsonReader *reader, const char *key,
								  const TemplateScope *scope, bool required);

/*
 * Its value, computed in this executor as the pipeline's role.  context: what
 * ${{ }} looks into; NULL: the call's.
 */
extern bool expression_is_true(ActivityCall *call, const Template *expression,
							   Jsonb *context);
extern char *expression_text(ActivityCall *call, const Template *expression);
extern Jsonb *expression_json(ActivityCall *call, const Template *expression);

/* Does a query return a row whose first column is true? */
extern bool query_is_true(ActivityCall *call, const Template *query);

#endif /* MLPIPE_EXPRESSION_H */
