#include "tests/ptx/races.h"

namespace ag::ptx {

const Access* AccessHistory::read(size_t byte, const Access& access) {
  if (bytes_.empty()) return nullptr;
  Byte& history = bytes_[byte];
  const bool same_warp = unordered(history.reader, access) &&
                         history.reader.block == access.block &&
                         history.reader.warp() == access.warp();
  if (!unordered(history.reader, access))
    history.reader = access;
  else if (!unordered(history.other_reader, access) || !same_warp)
    history.other_reader = access;
  return races(history.writer, access) ? &history.writer : nullptr;
}

const Access* AccessHistory::write(size_t byte, const Access& access, bool changes) {
  if (bytes_.empty()) return nullptr;
  Byte& history = bytes_[byte];
  const Access* found = nullptr;
  if (races(history.reader, access))
    found = &history.reader;
  else if (races(history.other_reader, access))
    found = &history.other_reader;
  else if (changes && races(history.writer, access))
    found = &history.writer;
  if (found || changes || history.writer.launch != access.launch) history.writer = access;
  return found;
}

}  // namespace ag::ptx
