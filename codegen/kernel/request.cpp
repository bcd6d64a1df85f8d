#include "codegen/kernel/request.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "codegen/kernel/byte_stream.h"
#include "ir/diagnostics.h"

namespace ag {
namespace {

constexpr int64_t kFormatVersion = 5;

void write(ByteWriter& out, const BufferForm& form) {
  const int rank = form.type.rank();
  out.text(name_of(form.type.dtype)).integers(form.type.shape);
  out.text(form.type.layout.is_row_major() ? "" : form.type.layout.tag(rank));
  out.integer(static_cast<int64_t>(form.halo.size()));
  for (const BufferForm::Halo& halo : form.halo) out.integer(halo.low).integer(halo.high);
  out.integers(form.strides).integer(form.aligned);
}

bool read_layout(const std::string& tag, TensorType& type) {
  if (tag.empty()) return true;
  try {
    type.layout = Layout::parse(tag, type.rank());
    return true;
  } catch (const CompileError&) {
    return false;  // the bytes are not of ours
  }
}

bool read(ByteReader& in, BufferForm& form) {
  const std::optional<DType> dtype = dtype_from_name(in.text());
  if (!dtype) return false;
  form.type.dtype = *dtype;
  form.type.shape = in.integers();
  if (!read_layout(in.text(), form.type)) return false;
  form.halo.resize(in.count());
  for (BufferForm::Halo& halo : form.halo) halo = {in.integer(), in.integer()};
  form.strides = in.integers();
  form.aligned = in.integer() != 0;
  return in.ok();
}

void write(ByteWriter& out, const std::vector<BufferForm>& forms) {
  out.integer(static_cast<int64_t>(forms.size()));
  for (const BufferForm& form : forms) write(out, form);
}

bool read(ByteReader& in, std::vector<BufferForm>& forms) {
  const size_t count = in.count();
  for (size_t i = 0; i < count; ++i) {
    if (!read(in, forms.emplace_back())) return false;
  }
  return in.ok();
}

void write(ByteWriter& out, const std::vector<KernelLaunch>& launches) {
  out.integer(static_cast<int64_t>(launches.size()));
  for (const KernelLaunch& launch : launches) {
    out.text(launch.entry).integers(launch.blocks).integers(launch.threads);
    out.integer(launch.shared_bytes).integer(static_cast<int64_t>(launch.arguments.size()));
    for (const LaunchArgument& argument : launch.arguments)
      out.integer(static_cast<int64_t>(argument.memory)).integer(argument.where);
  }
}

std::vector<KernelLaunch> read_launches(ByteReader& in) {
  std::vector<KernelLaunch> launches(in.count());
  for (KernelLaunch& launch : launches) {
    launch.entry = in.text();
    launch.blocks = in.integers();
    launch.threads = in.integers();
    launch.shared_bytes = in.integer();
    launch.arguments.resize(in.count());
    for (LaunchArgument& argument : launch.arguments)
      argument = {static_cast<LaunchArgument::Memory>(in.integer()), in.integer()};
  }
  return launches;
}

}  // namespace

std::string serialize(const KernelRequest& request) {
  ByteWriter out;
  out.integer(kFormatVersion).text(request.symbol).text(request.text);
  write(out, request.operands);
  write(out, request.results);
  out.integers(request.in_place);
  out.text(request.schedule).text(request.target).integer(request.explain);
  return out.take();
}

std::string serialize(const KernelResult& result) {
  ByteWriter out;
  out.integer(kFormatVersion).text(result.object).integer(result.scratch_bytes);
  out.real(result.lowering_ms).real(result.llvm_ms).text(result.loop_nest);
  out.text(result.ptx).text(result.constants);
  write(out, result.launches);
  return out.take();
}

std::optional<KernelRequest> parse_kernel_request(std::string_view bytes) {
  ByteReader in(bytes);
  KernelRequest request;
  if (in.integer() != kFormatVersion) return std::nullopt;
  request.symbol = in.text();
  request.text = in.text();
  if (!read(in, request.operands) || !read(in, request.results)) return std::nullopt;
  request.in_place = in.integers();
  request.schedule = in.text();
  request.target = in.text();
  request.explain = in.integer() != 0;
  if (!in.at_end()) return std::nullopt;
  return request;
}

std::optional<KernelResult> parse_kernel_result(std::string_view bytes) {
  ByteReader in(bytes);
  KernelResult result;
  if (in.integer() != kFormatVersion) return std::nullopt;
  result.object = in.text();
  result.scratch_bytes = in.integer();
  result.lowering_ms = in.real();
  result.llvm_ms = in.real();
  result.loop_nest = in.text();
  result.ptx = in.text();
  result.constants = in.text();
  result.launches = read_launches(in);
  if (!in.at_end()) return std::nullopt;
  return result;
}

std::string content_hash(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  std::string digits;
  for (uint64_t half : {hash.high64, hash.low64}) {
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[half >> shift & 15];
  }
  return digits;
}

std::string cache_key(const KernelRequest& request, std::string_view compiler_identity) {
  ByteWriter out;
  out.text(ARGENT_VERSION).text(ARGENT_HALIDE_VERSION).text(compiler_identity);
  out.text(serialize(request));
  return content_hash(out.take());
}

}  // namespace ag
