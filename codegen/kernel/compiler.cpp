#include "codegen/kernel/compiler.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <new>
#include <unordered_map>

#include "codegen/kernel/disk_cache.h"
#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {
namespace {

constexpr std::string_view kStatusText[kKernelStatusCount] = {
    "compiled", "was rejected", "crashed the kernel compiler", "took too long to compile",
    "needed too much memory to compile"};

// The .ag text of a kernel that failed, with its schedule and buffers as comments.
std::string report_text(const KernelRequest& request) {
  std::string text =
      fmt::format("# target: {}\n# schedule: {}\n", request.target, request.schedule);
  auto add = [&text](std::string_view role, const std::vector<BufferForm>& forms) {
    for (const BufferForm& form : forms) {
      text += fmt::format("# {}: {}", role, to_string(form.type));
      for (const BufferForm::Halo& halo : form.halo)
        text += fmt::format(" halo {}+{}", halo.low, halo.high);
      text += '\n';
    }
  };
  add("operand", request.operands);
  add("result", request.results);
  return text + request.text;
}

// The file the report is in.
std::string save_report(const KernelRequest& request) {
  namespace fs = std::filesystem;
  const fs::path directory = fs::temp_directory_path() / "argent-failed-kernels";
  fs::create_directories(directory);
  const std::string hash = content_hash(serialize(request)).substr(0, 8);
  const fs::path path = directory / fmt::format("{}-{}.ag", request.symbol, hash);
  write_file(path.string(), report_text(request));
  return path.string();
}

std::string way_out(const KernelRequest& request) {
  try {
    return "its text is in " + save_report(request) + ": please report it with that file";
  } catch (const std::exception& error) {
    return fmt::format("its text could not be saved: {}", error.what());
  }
}

[[noreturn]] void fail(const KernelRequest& request, const KernelOutcome& outcome) {
  CompileError error(fmt::format("kernel {} ({}, schedule {}) {}: {}", request.symbol,
                                 request.target, request.schedule,
                                 kStatusText[static_cast<int>(outcome.status)], outcome.message));
  error.help(way_out(request));
  throw error;
}

// Index of each request's first equal, and the list of firsts.
struct Deduplicated {
  std::vector<size_t> first_of;   // per request, index into `distinct`
  std::vector<size_t> distinct;   // indices of requests
  std::vector<std::string> keys;  // per distinct request
};

Deduplicated deduplicate(std::span<const KernelRequest> requests, const std::string& identity) {
  Deduplicated found;
  std::unordered_map<std::string, size_t> seen;
  for (size_t i = 0; i < requests.size(); ++i) {
    std::string key = cache_key(requests[i], identity);
    const auto [place, is_new] = seen.emplace(std::move(key), found.distinct.size());
    if (is_new) {
      found.distinct.push_back(i);
      found.keys.push_back(place->first);
    }
    found.first_of.push_back(place->second);
  }
  return found;
}

// Compiles the distinct kernels `missing` into `distinct` and the cache. Each is kept once it is
// there, even when another fails or the process is stopped.
void compile_missing(std::span<const KernelRequest> requests, const Deduplicated& kernels,
                     const std::vector<size_t>& missing, KernelCompiler& compiler, DiskCache* cache,
                     std::vector<KernelResult>& distinct) {
  std::vector<KernelRequest> to_compile;
  for (size_t i : missing) to_compile.push_back(requests[kernels.distinct[i]]);
  std::map<size_t, KernelOutcome> failed;
  compiler.compile(to_compile, [&](size_t m, KernelOutcome outcome) {
    if (outcome.status != KernelStatus::ok) {
      failed.emplace(m, std::move(outcome));
      return;
    }
    if (cache) cache->insert(kernels.keys[missing[m]], outcome.result);
    distinct[missing[m]] = std::move(outcome.result);
  });
  if (cache) cache->trim();
  if (!failed.empty()) fail(to_compile[failed.begin()->first], failed.begin()->second);
}

}  // namespace

std::vector<KernelOutcome> KernelCompiler::compile_each(std::span<const KernelRequest> requests) {
  std::vector<KernelOutcome> outcomes(requests.size());
  compile(requests, [&](size_t i, KernelOutcome outcome) { outcomes[i] = std::move(outcome); });
  return outcomes;
}

KernelOutcome run_compile_function(const CompileFunction& compile, const KernelRequest& request) {
  try {
    return {KernelStatus::ok, "", compile(request)};
  } catch (const std::bad_alloc&) {
    return {KernelStatus::out_of_memory, "an allocation failed", {}};
  } catch (const CompileError& error) {
    return {KernelStatus::rejected, error.message(), {}};
  } catch (const std::exception& error) {
    return {KernelStatus::rejected, error.what(), {}};
  }
}

std::vector<KernelResult> compile_all(std::span<const KernelRequest> requests,
                                      KernelCompiler& compiler, DiskCache* cache,
                                      CompileStatistics* statistics) {
  const auto start = std::chrono::steady_clock::now();
  const Deduplicated kernels = deduplicate(requests, compiler.identity());
  std::vector<KernelResult> distinct(kernels.distinct.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < distinct.size(); ++i) {
    std::optional<KernelResult> hit = cache ? cache->find(kernels.keys[i]) : std::nullopt;
    if (hit) {
      distinct[i] = std::move(*hit);
    } else {
      missing.push_back(i);
    }
  }
  if (!missing.empty()) compile_missing(requests, kernels, missing, compiler, cache, distinct);

  if (statistics) {
    const std::chrono::duration<double, std::milli> spent =
        std::chrono::steady_clock::now() - start;
    *statistics = {static_cast<int>(requests.size()), static_cast<int>(distinct.size()),
                   static_cast<int>(distinct.size() - missing.size()), spent.count()};
  }
  std::vector<KernelResult> results;
  for (size_t first : kernels.first_of) results.push_back(distinct[first]);
  return results;
}

}  // namespace ag
