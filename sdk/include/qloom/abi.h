/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * The binary contract between the qloom host and a method: everything that may cross a plugin
 * boundary. C99; needs nothing but <stddef.h> and <stdint.h>. docs/abi.md holds the rules.
 *
 * Thread tags, one at every function pointer:
 *   [any]    any thread, concurrently
 *   [setup]  never together with any other call on the same instance or library
 *   [update] one thread at a time per instance, ordered by step
 *   [pure]   any number of threads at once on one instance; must not write to the instance
 */
#ifndef QLOOM_ABI_H
#define QLOOM_ABI_H
#include <qloom/abi/discovery.h>
#include <qloom/abi/kinds.h>
#include <qloom/abi/run.h>
#include <qloom/abi/services.h>
#include <qloom/abi/values.h>
#endif
