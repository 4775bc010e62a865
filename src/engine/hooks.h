/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  DROP DATABASE and DROP EXTENSION with workers connected.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_HOOKS_H
#define MLPIPE_HOOKS_H

extern void hooks_install(void);

#endif /* MLPIPE_HOOKS_H */
