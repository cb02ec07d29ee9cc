/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* libbpf's header of this name, for the program's text in user space: map definitions stay types, helpers are functions of
 * tests/fuzz/shim/machine.cc. A helper that the programs begin to use is declared here and written there. */
#ifndef NW_FUZZ_BPF_HELPERS_H
#define NW_FUZZ_BPF_HELPERS_H

#include "machine.h"

#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, type_) __typeof__(type_) *name
#define __array(name, type_) __typeof__(type_) *name[]

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))

#define CTX_POINTER(ctx, type, field) machine_##field(ctx)

#endif
