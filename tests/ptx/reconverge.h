// Where the lanes of a warp that parted at a branch meet again.
//
// A branch whose condition differs among lanes splits the warp; both sides run one after the other.
// They join at the branch's immediate post-dominator: the first instruction that every way from the
// branch to the kernel's end passes.
//
//     setp … %p             the branch's post-dominator is join:
//     @%p bra other         neither side can leave without coming by it
//     …                     so lanes that arrive there wait for the others
//     bra join
//   other: …
//   join: …
#pragma once

#include "tests/ptx/program.h"

namespace ag::ptx {

// Sets `reconverge` of each branch; the number of instructions stands for the kernel's end.
void find_reconvergence(Kernel& kernel);

}  // namespace ag::ptx
