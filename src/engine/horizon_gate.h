/*-------------------------------------------------------------------------
 *
 * horizon_gate.h
 *	  Holds statements back, after a start, until steps' snapshots are held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_HORIZON_GATE_H
#define MLPIPE_HORIZON_GATE_H

extern void horizon_gate_install_hooks(void);

/* When shared memory is set up: closes the gate if steps need something. */
extern void horizon_gate_set_up(void);

/*
 * Launcher, when it holds what they need, or has found that they need nothing.
 * False if the gate was not closed.
 */
extern bool horizon_gate_open(void);

#endif /* MLPIPE_HORIZON_GATE_H */
