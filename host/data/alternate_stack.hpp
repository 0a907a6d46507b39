// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Where signal handlers run.
#pragma once

namespace qloom::data {

/// Gives this thread, and those of its parallel loops, memory of their own for handlers with
/// SA_ONSTACK, while they live. Each handler of the program needs it: a thread's own stack may be
/// used up, and oneDNN's matrix kernels keep a pointer to their data in the stack pointer, so that
/// a handler's frame would lie across the numbers that are being computed.
void have_alternate_stacks();

}  // namespace qloom::data
