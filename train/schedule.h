// Learning-rate schedules: the factor on the base learning rate at a time measured in epochs.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace ag {

// Time is completed steps divided by steps per epoch, so whole numbers fall on epochs' starts.
using Schedule = std::function<double(double epoch)>;

Schedule constant_schedule();
// `factor` once every `every` epochs.
Schedule step_schedule(double every, double factor = 0.1);
// `factor` at each milestone.
Schedule multi_step_schedule(std::vector<double> milestones, double factor = 0.1);
// Half a cosine from 1 to `last` over `epochs`, then `last`. Loshchilov and Hutter, "SGDR", 2017.
Schedule cosine_schedule(double epochs, double last = 0.0);
// A line from `first` to 1 over `warm_up` epochs, then `after`, whose time starts there.
Schedule warm_up_schedule(double warm_up, Schedule after, double first = 0.0);
// Half a cosine from 1 / `start` to 1 over the first `rising` of the epochs, then one from 1 to
// 1 / (`start` * `end`). Smith and Topin, "Super-Convergence", 2018; defaults are PyTorch's.
Schedule one_cycle_schedule(double epochs, double rising = 0.3, double start = 25.0,
                            double end = 1e4);

// "constant", "step:EVERY[:FACTOR]", "multi_step:E1,E2,…[:FACTOR]", "cosine", "one_cycle", each
// with "warm_up:EPOCHS+" in front if wanted; `epochs` is how long training goes on. Throws
// CompileError with the list.
Schedule parse_schedule(const std::string& text, double epochs);

}  // namespace ag
