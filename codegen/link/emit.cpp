#include "codegen/link/emit.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "codegen/link/check_program.h"
#include "codegen/link/driver_module.h"
#include "codegen/link/embedded.h"
#include "codegen/link/header_text.h"
#include "codegen/link/kernel_lines.h"
#include "codegen/link/object_linker.h"
#include "codegen/link/share_weights.h"
#include "codegen/link/weights_object.h"
#include "codegen/target.h"
#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {
namespace {

namespace fs = std::filesystem;

// The symbol under which the libraries of a process share their thread pool.
constexpr const char* kPoolSymbol = "argent_thread_pool_v1";
constexpr const char* kGenericModel = "argent_model";

// Driver, kernels with their lines, and runtime; `driver` and `lines` must outlive the result.
std::vector<ObjectFile> code_of(std::span<const plan::Program> levels, const Target& target,
                                const std::string& driver, const std::string& lines) {
  std::vector<ObjectFile> objects = {{"driver", {driver}}};
  if (!lines.empty()) objects.push_back({"lines", {lines}});
  std::set<const std::string*> added;  // one object may define several kernels
  for (const plan::Program& program : levels) {
    for (const auto& [symbol, object] : program.kernels) {
      if (added.insert(object.get()).second) objects.push_back({symbol, {*object}});
    }
  }
  objects.push_back({"runtime", {embedded_runtime(target).runtime}});
  if (target.is_cuda()) objects.push_back({"cuda", {embedded_runtime(target).cuda}});
  return objects;
}

// Links once more than an archive needs: an undefined symbol shows now, not at the user's.
void require_complete(const Target& target, const std::string& object,
                      const plan::Program& program) {
  link_shared(target, {{program.name, {object}}}, program.name, model_symbol(program), "");
}

struct Extension {
  std::string_view text;
  EmitKind kind;
};
constexpr Extension kExtensions[] = {{".so", EmitKind::shared_library},
                                     {".a", EmitKind::static_library},
                                     {".o", EmitKind::object},
                                     {".h", EmitKind::header}};

bool is_library(EmitKind kind) {
  return kind == EmitKind::shared_library || kind == EmitKind::static_library ||
         kind == EmitKind::object;
}

std::string header_beside(const std::string& path) {
  return fs::path(path).replace_extension(".h").string();
}

}  // namespace

std::string emit(std::span<const plan::Program> levels, EmitKind kind,
                 const std::string& file_name) {
  const plan::Program& program = levels[0];
  const Target& target = find_target(program.target);
  if (kind == EmitKind::header) return header_text(levels);
  const std::vector<plan::Program> sharing = share_weights(levels);
  for (const plan::Program& level : sharing) check_program(level);
  const DriverObject driver = driver_object(sharing, LinkedInto::file);
  const WeightsObject weights(target, driver.blobs);
  const std::string lines = kernel_lines_object(sharing, target);
  std::vector<ObjectFile> objects = code_of(sharing, target, driver.bytes, lines);
  const std::string symbol = model_symbol(program);
  if (kind == EmitKind::executable) {
    objects.insert(objects.begin(), {"program", {embedded_runtime(target).program}});
    objects.push_back(weights.file());
    return link_executable(target, objects, symbol, kGenericModel);
  }
  // In a library's merge the names of the code become local; weights need none, and join later.
  const std::vector<std::string> exported = {symbol, kPoolSymbol};
  if (kind == EmitKind::shared_library) {
    const std::string code = merge_objects(target, objects, exported);
    return link_shared(target, {{file_name, {code}}, weights.file()}, file_name, symbol,
                       kGenericModel);
  }
  objects.push_back(weights.file());
  const std::string object = merge_objects(target, objects, exported);
  require_complete(target, object, program);
  return kind == EmitKind::object ? object : make_archive(object, program.name + ".o");
}

std::string emit(const plan::Program& program, EmitKind kind, const std::string& file_name) {
  return emit({&program, 1}, kind, file_name);
}

void check_header_place(EmitKind kind, const std::string& path) {
  if (kind == EmitKind::executable) return;
  const std::string header = kind == EmitKind::header ? path : header_beside(path);
  if (!fs::is_regular_file(header) || is_header_text(read_file(header))) return;
  throw CompileError(
      fmt::format("{} is not a header made by Argent, and would be written over", header))
      .help("give the library another name or folder, or move the header away");
}

void emit_file(std::span<const plan::Program> levels, EmitKind kind, const std::string& path) {
  check_header_place(kind, path);
  const std::string bytes = emit(levels, kind, fs::path(path).filename().string());
  write_file(path, bytes);
  if (kind == EmitKind::executable || kind == EmitKind::shared_library) {
    std::error_code error;
    fs::permissions(path, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                    fs::perm_options::add, error);
    if (error) {
      throw CompileError(fmt::format("cannot make {} executable: {}", path, error.message()));
    }
  }
  if (is_library(kind)) write_file(header_beside(path), header_text(levels));
}

void emit_file(const plan::Program& program, EmitKind kind, const std::string& path) {
  emit_file({&program, 1}, kind, path);
}

EmitKind emit_kind_of(std::string_view path) {
  for (const Extension& extension : kExtensions) {
    if (path.ends_with(extension.text)) return extension.kind;
  }
  return EmitKind::executable;
}

}  // namespace ag
