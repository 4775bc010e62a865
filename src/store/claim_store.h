/*-------------------------------------------------------------------------
 *
 * claim_store.h
 *	  Every statement on mlpipe.batch_claim: what workers of a step have in
 *	  hand, for after a crash of the server.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CLAIM_STORE_H
#define MLPIPE_CLAIM_STORE_H

#include "datatype/timestamp.h"

/* What one worker is about to do. */
typedef struct BatchClaim
{
	int64 run_id;
	int32 no;
	int32 slot; /* of its process */
	int executor_pid;
	bool alone;   /* nobody else works on the step */
	int nbatches; /* 0: it prepares */
	const int32 *batches;
	const int32 *attempts;
} BatchClaim;

/* Replaces what that slot had claimed before. */
extern void claim_write(const BatchClaim *claim);

/* What was in hand when the server crashed. */
typedef struct ClaimsLeft
{
	int32 highest; /* mini-batch of any of them; 0: none */
	bool alone;    /* the newest one was, and its work was not committed */
	int32 batch;   /* what was in hand then; 0: its worker prepared */
	int32 attempt;
	int executor_pid;
	TimestampTz claimed_at;
} ClaimsLeft;

/* All zero where the step has left no claims. */
extern void claims_left(int64 run_id, int32 no, ClaimsLeft *left);
extern void claims_forget(int64 run_id, int32 no);

#endif /* MLPIPE_CLAIM_STORE_H */
