/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What the verifier wants to see, and what it must not. For the programs and for code that they share with user space. */
#ifndef NW_BRANCHLESS_H
#define NW_BRANCHLESS_H

#include <linux/types.h>

#ifndef NW_INLINE
#define NW_INLINE static inline __attribute__((always_inline))
#endif

/* verifier: keeps the compiler from using what it knows of a variable (it would drop a check of an index that the verifier wants
 * to see, or turn arithmetic into branches). */
#define NW_HIDE(variable) __asm__ volatile("" : "+r"(variable))

/* verifier: comparisons as arithmetic. Branches would make the verifier follow every child of every node (kernel 6.18: more than a
 * million instructions); the results are 0 or 1. */
NW_INLINE __u32 nw_at_most(__u64 a, __u64 b) {
  __u64 borrow = (~b & a) | ((~b | a) & (b - a));
  NW_HIDE(borrow);
  return 1 - (__u32)(borrow >> 63);
}

/* The same for numbers below 2^63. */
NW_INLINE __u32 nw_at_most_small(__u64 a, __u64 b) {
  __u64 difference = a - b - 1;
  NW_HIDE(difference);
  return (__u32)(difference >> 63);
}

NW_INLINE __u32 nw_equal(__u32 a, __u32 b) {
  __u32 equal = (__u32)(((__u64)(a ^ b) - 1) >> 63);
  NW_HIDE(equal); /* a signed shift and a mask in its place make Linux 6.18 follow both outcomes */
  return equal;
}

#endif
