#include "codegen/link/header_text.h"

#include <fmt/format.h>

#include <cctype>
#include <set>

#include "codegen/link/embedded.h"
#include "ir/type.h"

namespace ag {
namespace {

// In the first line of each header.
constexpr std::string_view kTitle = ": a network compiled by Argent for ";

// C types by dtype; the 16-bit floats travel as their bits.
constexpr const char* kCTypes[kDTypeCount] = {
    "double", "float",    "uint16_t", "uint16_t", "int64_t", "int32_t", "int16_t",
    "int8_t", "uint64_t", "uint32_t", "uint16_t", "uint8_t", "uint8_t"};
// Words that a C or C++ parameter may not be called, and the names the helpers use themselves.
const std::set<std::string> kReserved = {
    "auto",    "bool",    "break",    "case",    "char",     "class",  "const",    "continue",
    "default", "delete",  "do",       "double",  "else",     "enum",   "extern",   "false",
    "float",   "for",     "goto",     "if",      "inline",   "int",    "instance", "inputs",
    "long",    "new",     "operator", "outputs", "private",  "public", "register", "return",
    "short",   "signed",  "sizeof",   "static",  "struct",   "switch", "template", "this",
    "true",    "typedef", "typename", "union",   "unsigned", "using",  "void",     "while"};

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// A C identifier from a tensor's name, different from those in `taken`.
std::string identifier(const std::string& name, std::set<std::string>& taken) {
  std::string result;
  for (unsigned char c : name) result += std::isalnum(c) ? static_cast<char>(c) : '_';
  if (result.empty() || std::isdigit(static_cast<unsigned char>(result[0]))) result = "_" + result;
  while (kReserved.count(result) || !taken.insert(result).second) result += "_";
  return result;
}

struct Parameter {
  const plan::Tensor* tensor;
  std::string name;
};

std::vector<Parameter> parameters_of(const plan::Program& program, const std::vector<int>& tensors,
                                     std::set<std::string>& taken) {
  std::vector<Parameter> parameters;
  for (int index : tensors) {
    const plan::Tensor& tensor = program.tensors[static_cast<size_t>(index)];
    parameters.push_back({&tensor, identifier(tensor.name, taken)});
  }
  return parameters;
}

const char* c_type(const plan::Tensor& tensor) {
  return kCTypes[static_cast<size_t>(tensor.dtype)];
}

std::string declaration(const Parameter& parameter, bool constant) {
  return fmt::format("{}{}* {}", constant ? "const " : "", c_type(*parameter.tensor),
                     parameter.name);
}

std::string shape_constants(const std::string& prefix, const std::vector<Parameter>& parameters) {
  std::string text;
  for (const Parameter& parameter : parameters) {
    text += fmt::format("#define {}_{}_COUNT {}  /* {} {} */\n", prefix, upper(parameter.name),
                        element_count(parameter.tensor->shape), name_of(parameter.tensor->dtype),
                        to_string(parameter.tensor->shape));
  }
  return text;
}

// argent_tensor records that describe the arguments, as statements of an inline function.
std::string tensor_array(const std::string& name, const std::string& info,
                         const std::vector<Parameter>& parameters) {
  std::string text = fmt::format("  argent_tensor {}[{}];\n", name, parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const plan::Tensor& tensor = *parameters[i].tensor;
    text += fmt::format(
        "  {0}[{1}].data = (void*){2};\n"
        "  {0}[{1}].shape = {3}[{1}]->shape;\n"
        "  {0}[{1}].bytes = {4}u;\n"
        "  {0}[{1}].rank = {5};\n"
        "  {0}[{1}].dtype = {6}; /* {7} */\n",
        name, i, parameters[i].name, info,
        element_count(tensor.shape) * static_cast<int64_t>(size_of(tensor.dtype)),
        tensor.shape.size(), static_cast<int>(tensor.dtype), name_of(tensor.dtype));
  }
  return text;
}

std::string entry_text(const plan::Program& program, size_t index) {
  const plan::Entry& entry = program.entries[index];
  std::set<std::string> taken;
  const auto inputs = parameters_of(program, entry.inputs, taken);
  const auto outputs = parameters_of(program, entry.outputs, taken);
  const std::string function = program.name + "_" + entry.name, prefix = upper(function);
  std::string text = fmt::format("\n#define {} {}\n", prefix, index);
  text += shape_constants(prefix, inputs) + shape_constants(prefix, outputs);
  text += fmt::format("static inline int {}(argent_instance* instance", function);
  for (const Parameter& parameter : inputs) text += ", " + declaration(parameter, true);
  for (const Parameter& parameter : outputs) text += ", " + declaration(parameter, false);
  text += fmt::format(") {{\n  const argent_entry_info* entry = &{}_model()->entries[{}];\n",
                      program.name, prefix);
  if (!inputs.empty()) text += tensor_array("inputs", "entry->inputs", inputs);
  if (!outputs.empty()) text += tensor_array("outputs", "entry->outputs", outputs);
  text += fmt::format("  (void)entry;\n  return argent_run(instance, {}, {}, {}, {}, {});\n}}\n",
                      prefix, inputs.empty() ? "NULL" : "inputs", inputs.size(),
                      outputs.empty() ? "NULL" : "outputs", outputs.size());
  return text;
}

}  // namespace

std::string header_text(std::span<const plan::Program> levels) {
  const plan::Program& program = levels[0];
  std::string targets;
  for (const plan::Program& level : levels) targets += (targets.empty() ? "" : ", ") + level.target;
  const std::string guard = upper(program.name) + "_MODEL_H", &name = program.name;
  std::string text = fmt::format(
      "/* {0}{1}{2}.\n"
      " *\n"
      " *   argent_network* network = {0}_open(NULL);\n"
      " *   argent_instance* instance = argent_create(network, 1, NULL);\n"
      " *   {0}_{3}(instance, ...);\n"
      " */\n"
      "#ifndef {4}\n#define {4}\n\n",
      name, kTitle, targets, program.entries[0].name, guard);
  text += abi_header();
  text += fmt::format(
      "\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n"
      "const argent_library* {0}_model(void);\n\n"
      "static inline argent_network* {0}_open(argent_error* error) {{\n"
      "  return argent_open({0}_model(), error);\n}}\n",
      name);
  for (size_t i = 0; i < program.entries.size(); ++i) text += entry_text(program, i);
  text += fmt::format("\n#ifdef __cplusplus\n}}\n#endif\n#endif /* {} */\n", guard);
  return text;
}

bool is_header_text(std::span<const std::byte> content) {
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  return text.substr(0, text.find('\n')).find(kTitle) != text.npos;
}

}  // namespace ag
