// The forms in which `get` shows resources.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/resources.h"

namespace nodewall::cli {

struct OutputFormat {
  enum class Form { table, yaml, json } form = Form::table;
  bool wide = false;
  std::vector<std::string> columns;  // of custom-columns, upper case; empty: those of the kind
};

// The value of -o: ps, wide, yaml, yml, json, custom-columns=A,B. Errc::config for anything else.
Result<OutputFormat> parse_output(const std::string& text);

// What one argument gave: an object, or all objects of a kind.
struct Found {
  model::Kind kind = model::Kind::HostEndpoint;
  bool is_list = false;
  std::vector<model::Resource> resources;
};

// The text of all of them: a table each; or one YAML or JSON value, an array if there are several. Errc::config for a custom column that
// the kind does not have. `exported`: without what belongs to one datastore only.
Result<std::string> show(const std::vector<Found>& found, const OutputFormat& format, bool exported);

}  // namespace nodewall::cli
