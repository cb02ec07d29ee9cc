/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What the generator and the harness agree on: how much of a frame is written anew for each one sent, and how many there are. */
#ifndef NODEWALL_BENCH_FRAME_H
#define NODEWALL_BENCH_FRAME_H

#define BENCH_HEADER_BYTES 64  /* of every frame */
#define BENCH_FRAME_BYTES 128  /* of one that is as long: all headers */
#define BENCH_MAX_FRAMES 65536 /* a power of two */

#endif
