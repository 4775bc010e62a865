/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  Statements that our workers would be in the way of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_HOOKS_H
#define MLPIPE_HOOKS_H

extern void hooks_install(void);

#endif /* MLPIPE_HOOKS_H */
