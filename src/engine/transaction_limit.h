/*-------------------------------------------------------------------------
 *
 * transaction_limit.h
 *	  transaction_timeout, for the user's part of a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TRANSACTION_LIMIT_H
#define MLPIPE_TRANSACTION_LIMIT_H

/*
 * The user's part of a transaction begins.  From here on the setting's time
 * limit interrupts it, as the attempt's own timeout does, until it is stopped.
 */
extern void transaction_limit_start(void);

/* After a statement of the user's, which may have changed the setting. */
extern void transaction_limit_look(void);

/* The user's part is over.  May be repeated. */
extern void transaction_limit_stop(void);

#endif /* MLPIPE_TRANSACTION_LIMIT_H */
