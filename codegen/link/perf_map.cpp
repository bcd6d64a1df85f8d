#include "codegen/link/perf_map.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "codegen/link/kernel_titles.h"

namespace ag {
namespace {

bool is_named_function(const llvm::jitlink::Symbol& symbol) {
  return symbol.isCallable() && symbol.hasName();
}

class PerfMap : public llvm::orc::ObjectLinkingLayer::Plugin {
 public:
  explicit PerfMap(KernelTitles titles) : titles_(std::move(titles)) {}

  void modifyPassConfig(llvm::orc::MaterializationResponsibility&, llvm::jitlink::LinkGraph&,
                        llvm::jitlink::PassConfiguration& passes) override {
    // The linker would drop local names that nothing refers to.
    passes.PrePrunePasses.emplace_back([](llvm::jitlink::LinkGraph& graph) {
      for (llvm::jitlink::Symbol* symbol : graph.defined_symbols())
        if (is_named_function(*symbol)) symbol->setLive(true);
      return llvm::Error::success();
    });
    passes.PostFixupPasses.emplace_back([this](llvm::jitlink::LinkGraph& graph) {
      write(graph);
      return llvm::Error::success();
    });
  }
  llvm::Error notifyFailed(llvm::orc::MaterializationResponsibility&) override {
    return llvm::Error::success();
  }
  llvm::Error notifyRemovingResources(llvm::orc::JITDylib&, llvm::orc::ResourceKey) override {
    return llvm::Error::success();
  }
  void notifyTransferringResources(llvm::orc::JITDylib&, llvm::orc::ResourceKey,
                                   llvm::orc::ResourceKey) override {}

 private:
  // Lines "START SIZE NAME", in hexadecimal.
  void write(const llvm::jitlink::LinkGraph& graph) const {
    std::string lines;
    for (const llvm::jitlink::Symbol* symbol : graph.defined_symbols()) {
      if (!is_named_function(*symbol)) continue;
      lines += fmt::format("{:x} {:x} {}\n", symbol->getAddress().getValue(), symbol->getSize(),
                           name_of(symbol->getName().str()));
    }
    const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "a"),
                                                               std::fclose);
    // One write, so that programs linked at the same time do not mix their lines.
    if (!file || std::fwrite(lines.data(), 1, lines.size(), file.get()) != lines.size())
      fmt::print(stderr, "note: ARGENT_PERF_MAP: cannot write {}\n", path);
  }

  std::string name_of(const std::string& symbol) const {
    const FunctionTitle title = title_of(titles_, symbol);
    return title.kernel ? title.text : symbol;
  }

  const KernelTitles titles_;
};

}  // namespace

void add_perf_map(llvm::orc::ObjectLinkingLayer& layer, const plan::Program& program) {
  const char* wanted = std::getenv("ARGENT_PERF_MAP");
  if (wanted && std::string_view(wanted) == "1")
    layer.addPlugin(std::make_shared<PerfMap>(kernel_titles(program)));
}

}  // namespace ag
