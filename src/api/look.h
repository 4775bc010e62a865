/*-------------------------------------------------------------------------
 *
 * look.h
 *	  Looking at a run again and again, for those who wait for it or watch it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_LOOK_H
#define MLPIPE_LOOK_H

#include "store/watch_store.h"

/*
 * Not called in engine mode.  42704 where there is no such run, or, at the
 * first look, none that the current user may see.
 */
extern void run_look_first(int64 run_id, RunLook *look);
extern void run_look_again(int64 run_id, RunLook *look);

#endif /* MLPIPE_LOOK_H */
