// Functions that kernels call. On processors kernels of doubles call the C library; a device has
// none. Every op whose kernel calls a function there compiles for CUDA, too, and the PTX machine
// computes what the interpreter does.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "codegen/schedule/apply.h"
#include "ir/ops/pointwise.h"
#include "tests/check_close.h"
#include "tests/ptx/kernel_device.h"

// Its names are macros, which Halide.h must not see.
#include <elf.h>

using namespace ag;

namespace {

template <class Record>
std::vector<Record> records(const std::string& object, uint64_t offset, uint64_t bytes) {
  std::vector<Record> all(bytes / sizeof(Record));
  REQUIRE(offset + bytes <= object.size());
  std::memcpy(all.data(), object.data() + offset, all.size() * sizeof(Record));
  return all;
}

// Names that an object uses and does not define.
std::set<std::string> undefined_in(const std::string& object) {
  std::set<std::string> names;
  const auto header = records<Elf64_Ehdr>(object, 0, sizeof(Elf64_Ehdr))[0];
  const auto sections =
      records<Elf64_Shdr>(object, header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  for (const Elf64_Shdr& table : sections) {
    if (table.sh_type != SHT_SYMTAB) continue;
    const uint64_t texts = sections.at(table.sh_link).sh_offset;
    for (const auto& symbol : records<Elf64_Sym>(object, table.sh_offset, table.sh_size)) {
      if (symbol.st_shndx == SHN_UNDEF && symbol.st_name != 0)
        names.insert(object.c_str() + texts + symbol.st_name);
    }
  }
  return names;
}

// What kernels call besides what every kernel may: the runtime, and LLVM's copies and zeros.
std::set<std::string> functions_in(const std::string& object) {
  static const std::set<std::string> kOfAll{"memset", "memcpy", "memmove"};
  std::set<std::string> names = undefined_in(object);
  std::erase_if(names, [](const std::string& name) {
    return name.starts_with("halide_") || kOfAll.contains(name);
  });
  return names;
}

std::set<std::string> functions_of(const OpCase& row, DType dtype, std::set<std::string>& seen) {
  std::set<std::string> functions;
  for (const KernelCase& test : kernel_cases(row, dtype, find_target("x86-64-v3"))) {
    if (!seen.insert(kind_of(test)).second) continue;
    functions.merge(functions_in(schedule::compile_kernel(test.request).object));
  }
  return functions;
}

void check_on_device(const KernelCase& test, double allowed) {
  CAPTURE(test.row);
  CAPTURE(test.request.text);
  try {
    const KernelResult kernel = schedule::compile_kernel(test.request);
    KernelDevice device(test, kernel);
    CHECK(device.run(ptx::Order::shuffled) == "");
    for (size_t i = 0; i < test.results.size(); ++i)
      check_close(device.result(i), test.results[i], allowed);
  } catch (const std::exception& error) {
    FAIL_CHECK(std::string(error.what()));
  }
}

bool takes(const OpCase& row, DType dtype) {
  return std::find(row.dtypes.begin(), row.dtypes.end(), dtype) != row.dtypes.end();
}

}  // namespace

TEST_CASE("what kernels of doubles call on processors, devices have") {
  std::set<std::string> seen, ops, all, calling;
  for (const OpCase& row : op_cases()) {
    if (!takes(row, DType::f64) || !ops.insert(row.op).second) continue;
    const std::set<std::string> functions = functions_of(row, DType::f64, seen);
    if (functions.empty()) continue;
    all.insert(functions.begin(), functions.end());
    calling.insert(row.op);
    for (const KernelCase& test : kernel_cases(row, DType::f64, find_target("cuda-sm_80")))
      check_on_device(test, 1e-13);
  }
  fmt::print("{} of {} ops call functions: {}\n", calling.size(), ops.size(),
             fmt::join(calling, " "));
  fmt::print("functions: {}\n", fmt::join(all, " "));
  for (const char* op : {"exp", "log", "sin", "cos", "tanh", "erf", "power"})
    CHECK_MESSAGE(calling.contains(op), op << " calls no function: is this test blind?");
}

TEST_CASE("erf of doubles is exact to 1e-15, from tiny numbers to where it is 1") {
  const OpCase row{"erf", "range", {DType::f64}, [](CaseBuilder& b) {
                     std::vector<double> x;
                     for (int i = -700; i <= 700; ++i) x.push_back(0.01 * i + 1e-5);
                     for (int i = 1; i <= 300; i += 13) x.push_back(std::pow(10.0, -i));
                     x.insert(x.end(), {0.0, -0.0, 40.0, -40.0, 1e300});
                     b.result(erf(b.values({static_cast<int64_t>(x.size())}, x)));
                   }};
  int kernels = 0;
  for (const KernelCase& test : kernel_cases(row, DType::f64, find_target("cuda-sm_80"))) {
    if (test.request.text.find("erf") == std::string::npos) continue;
    ++kernels;
    const KernelResult kernel = schedule::compile_kernel(test.request);
    KernelDevice device(test, kernel);
    CHECK(device.run(ptx::Order::forward) == "");
    const Array y = device.result(0);
    double worst = 0;
    for (int64_t i = 0; i < y.count(); ++i) {
      const double want = std::erf(test.operands[0].number(i));
      worst =
          std::max(worst, std::fabs(y.get_double(i) - want) / std::max(std::fabs(want), 1e-300));
    }
    CHECK(worst < 1e-15);
  }
  CHECK(kernels == 1);
}
