// Default schedules for CUDA devices.
#pragma once

#include "codegen/schedule/choose.h"

namespace ag {

Schedule choose_cuda_schedule(const KernelView& kernel);
// Whether a class has a row in the table.
bool has_cuda_schedule(std::string_view kernel_class);
// Every schedule that suits the kernel, the choice first.
std::vector<Schedule> cuda_candidates(const KernelView& kernel);

// The parts of the choice, by what a kernel is built around.
std::vector<Schedule> choose_cuda_contraction(const KernelView& kernel);
Schedule choose_cuda_reduction(const KernelView& kernel);

// Threads of a block for so many independent elements.
int64_t threads_for(int64_t elements);
// The smallest power of two that is at least n.
int64_t power_of_two_from(int64_t n);
// Whether the body adds up, or picks from, several elements other than by a contraction.
bool has_reductions(const Graph& body);

}  // namespace ag
