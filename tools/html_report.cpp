// A measurement as one HTML file: the page, its style and its script as they lie in tools/report/,
// with the figures as JSON inside.
#include <string_view>

#include "ir/embed.h"
#include "ir/internal_error.h"
#include "tools/measurement.h"

AG_EMBED(argent_report_page, ARGENT_REPORT_DIR "/report.html");
AG_EMBED(argent_report_style, ARGENT_REPORT_DIR "/report.css");
AG_EMBED(argent_report_script, ARGENT_REPORT_DIR "/report.js");

namespace ag {
namespace {

std::string text_between(const char* begin, const char* end) { return {begin, end}; }

// Puts `text` in the place of the page's one mark.
void fill(std::string& page, std::string_view mark, const std::string& text) {
  const size_t place = page.find(mark);
  if (place == std::string::npos) internal_error("the report's page has no {}", mark);
  page.replace(place, mark.size(), text);
}

// The figures and, for each entry, its events as rows [step, thread, begin, nanoseconds, tasks],
// times counted from the first.
nlohmann::json report_data(const Measurement& measurement) {
  nlohmann::json data = json_of(measurement);
  for (size_t i = 0; i < measurement.entries.size(); ++i) {
    const std::vector<argent_trace_event>& events = measurement.entries[i].events;
    nlohmann::json& rows = data["entries"][i]["events"] = nlohmann::json::array();
    for (const argent_trace_event& event : events) {
      rows.push_back({event.step, event.thread, event.begin_ns - events.front().begin_ns,
                      event.end_ns - event.begin_ns, event.tasks});
    }
  }
  return data;
}

// JSON that nothing in it can end the script element it stands in.
std::string script_safe(const nlohmann::json& data) {
  std::string safe;
  for (char c : data.dump(-1, ' ', /*ensure_ascii=*/true)) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

// Text as HTML shows it.
std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '<')
      result += "&lt;";
    else if (c == '&')
      result += "&amp;";
    else
      result += c;
  }
  return result;
}

}  // namespace

std::string html_report(const Measurement& measurement) {
  std::string page = text_between(argent_report_page_begin, argent_report_page_end);
  fill(page, "@TITLE@", escaped(measurement.name));
  fill(page, "@STYLE@", text_between(argent_report_style_begin, argent_report_style_end));
  fill(page, "@SCRIPT@", text_between(argent_report_script_begin, argent_report_script_end));
  fill(page, "@DATA@", script_safe(report_data(measurement)));
  return page;
}

}  // namespace ag
