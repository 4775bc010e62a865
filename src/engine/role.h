/*-------------------------------------------------------------------------
 *
 * role.h
 *	  Whether a role may connect to this database, and so run anything in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ROLE_H
#define MLPIPE_ROLE_H

/* Why the server would refuse it; NULL: it would not.  In a transaction. */
extern char *role_problem(Oid role);

/*
 * May runs execute as this role?  For as long as the owner of their pipeline,
 * or the one who set its run_as, can become it with SET ROLE.
 */
extern bool role_is_lent(Oid role, Oid owner, Oid lender);

/* Executor, when it has connected: notices changes from now on. */
extern void role_watch(void);

/*
 * Executor, in a transaction: may it still connect as the role that it is
 * connected as?  Looks again only after a change of roles or databases.
 */
extern bool role_is_still_allowed(void);

#endif /* MLPIPE_ROLE_H */
