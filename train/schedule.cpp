#include "train/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <numbers>

#include "ir/diagnostics.h"

namespace ag {
namespace {

// From `first` at 0 to `last` at 1 along half a cosine.
double half_cosine(double first, double last, double time) {
  const double t = std::clamp(time, 0.0, 1.0);
  return last + (first - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * t));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    c == separator ? static_cast<void>(parts.emplace_back()) : parts.back().push_back(c);
  }
  return parts;
}

[[noreturn]] void refuse(const std::string& text) {
  throw CompileError(fmt::format("learning-rate schedule '{}' is not known", text))
      .help(
          "write constant, step:EVERY[:FACTOR], multi_step:E1,E2[:FACTOR], cosine or one_cycle, "
          "with warm_up:EPOCHS+ in front if wanted");
}

double number(const std::string& text, const std::string& whole) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || !(value >= 0)) refuse(whole);
  return value;
}

using Arguments = std::vector<std::string>;

double factor_of(const Arguments& arguments, const std::string& whole) {
  return arguments.size() > 2 ? number(arguments[2], whole) : 0.1;
}

Schedule parse_step(const Arguments& arguments, double, const std::string& whole) {
  const double every = number(arguments[1], whole);
  if (every == 0) refuse(whole);
  return step_schedule(every, factor_of(arguments, whole));
}

Schedule parse_multi_step(const Arguments& arguments, double, const std::string& whole) {
  std::vector<double> milestones;
  for (const std::string& text : split(arguments[1], ','))
    milestones.push_back(number(text, whole));
  return multi_step_schedule(std::move(milestones), factor_of(arguments, whole));
}

struct Kind {
  std::string_view name;
  size_t least, most;  // arguments, the name included
  Schedule (*make)(const Arguments& arguments, double epochs, const std::string& whole);
};
constexpr Kind kKinds[] = {
    {"constant", 1, 1,
     [](const Arguments&, double, const std::string&) { return constant_schedule(); }},
    {"step", 2, 3, parse_step},
    {"multi_step", 2, 3, parse_multi_step},
    {"cosine", 1, 1,
     [](const Arguments&, double epochs, const std::string&) { return cosine_schedule(epochs); }},
    {"one_cycle", 1, 1,
     [](const Arguments&, double epochs, const std::string&) {
       return one_cycle_schedule(epochs);
     }},
};

}  // namespace

Schedule constant_schedule() {
  return [](double) { return 1.0; };
}

Schedule step_schedule(double every, double factor) {
  return [=](double epoch) { return std::pow(factor, std::floor(epoch / every)); };
}

Schedule multi_step_schedule(std::vector<double> milestones, double factor) {
  return [=](double epoch) {
    const auto passed =
        std::ranges::count_if(milestones, [&](double milestone) { return epoch >= milestone; });
    return std::pow(factor, static_cast<double>(passed));
  };
}

Schedule cosine_schedule(double epochs, double last) {
  return [=](double epoch) { return half_cosine(1.0, last, epochs > 0 ? epoch / epochs : 1.0); };
}

Schedule warm_up_schedule(double warm_up, Schedule after, double first) {
  return [=](double epoch) {
    if (epoch >= warm_up) return after(epoch - warm_up);
    return first + (1.0 - first) * epoch / warm_up;
  };
}

Schedule one_cycle_schedule(double epochs, double rising, double start, double end) {
  return [=](double epoch) {
    const double top = epochs * rising;
    if (epoch < top) return half_cosine(1.0 / start, 1.0, epoch / top);
    const double falling = epochs - top;
    return half_cosine(1.0, 1.0 / (start * end), falling > 0 ? (epoch - top) / falling : 1.0);
  };
}

Schedule parse_schedule(const std::string& text, double epochs) {
  const size_t plus = text.find('+');
  if (plus != std::string::npos) {
    const Arguments warm = split(text.substr(0, plus), ':');
    if (warm.size() != 2 || warm[0] != "warm_up") refuse(text);
    const double length = number(warm[1], text);
    return warm_up_schedule(length, parse_schedule(text.substr(plus + 1), epochs - length));
  }
  const Arguments arguments = split(text, ':');
  const auto kind = std::ranges::find(kKinds, arguments[0], &Kind::name);
  if (kind == std::end(kKinds) || arguments.size() < kind->least || arguments.size() > kind->most) {
    refuse(text);
  }
  return kind->make(arguments, epochs, text);
}

}  // namespace ag
